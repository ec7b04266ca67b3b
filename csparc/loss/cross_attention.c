#include "loss/cross_attention.h"

#include "base/real.h"
#include "la/gemm.h"
#include "la/norm.h"
#include "la/rows.h"
#include "loss/contrastive.h"
#include "loss/kernels.h"
#include "loss/pair_kernels.h"

enum { NARROW = 8, VECTORS = 10 };

void
CS_TYPED(cs_attention_room_layout)(size_t most, size_t pairs, size_t D, size_t H, size_t heads,
                                   cs_arena *arena, CS_TYPED(cs_attention_room) *r)
{
    cs_real **narrow[NARROW] = {&r->q, &r->k, &r->u, &r->mixed, &r->dq, &r->dk, &r->du, &r->dmixed};
    cs_real **vectors[VECTORS] = {&r->norm,       &r->matching,   &r->row_top, &r->row_sum,
                                  &r->column_top, &r->column_sum, &r->row_lse, &r->column_lse,
                                  &r->row_share,  &r->column_share};
    for (size_t i = 0; i < NARROW; i++)
        *narrow[i] = cs_arena_take(arena, most * H * sizeof(cs_real));
    r->o = cs_arena_take(arena, most * D * sizeof(cs_real));
    r->d_o = cs_arena_take(arena, most * D * sizeof(cs_real));
    r->a = cs_arena_take(arena, heads * pairs * sizeof(cs_real));
    r->logits = cs_arena_take(arena, pairs * sizeof(cs_real));
    r->d = cs_arena_take(arena, pairs * sizeof(cs_real));
    r->e = cs_arena_take(arena, most * most * sizeof(cs_real));
    r->g = cs_arena_take(arena, most * most * sizeof(cs_real));
    for (size_t i = 0; i < VECTORS; i++)
        *vectors[i] = cs_arena_take(arena, most * sizeof(cs_real));
}

/* y [N,H] = x [N,D] W^T + b, W [H,D]. */
static void
project(size_t N, size_t D, size_t H, const cs_real *x, const cs_real *weight, const cs_real *bias,
        cs_real *y)
{
    CS_TYPED(cs_gemm)(N, H, D, 1, x, D, 1, weight, 1, D, 0, y, H, 1);
    for (size_t n = 0; bias != NULL && n < N; n++)
        for (size_t h = 0; h < H; h++)
            y[n * H + h] += bias[h];
}

/* dx += dy W; dW += dy^T x; db += column sums of dy. */
static void
project_backward(size_t N, size_t D, size_t H, const cs_real *x, const cs_real *weight,
                 const cs_real *dy, cs_real *dweight, cs_real *dbias, cs_real *dx)
{
    CS_TYPED(cs_gemm)(H, D, N, 1, dy, 1, H, x, D, 1, 1, dweight, D, 1);
    CS_TYPED(cs_gemm)(N, D, H, 1, dy, H, 1, weight, D, 1, 1, dx, D, 1);
    for (size_t n = 0; dbias != NULL && n < N; n++)
        for (size_t h = 0; h < H; h++)
            dbias[h] += dy[n * H + h];
}

/* a [M,N] = softmax over keys of factor logits, every query alike. */
static void
attend(size_t N, size_t M, cs_real factor, const cs_real *logits, cs_real *a,
       CS_TYPED(cs_attention_room) *r)
{
    for (size_t n = 0; n < N; n++)
        r->norm[n] = factor;
    CS_TYPED(cs_pair_kernels_in_use)()->lane_softmax(M, N, r->norm, logits, a, r->row_top,
                                                     r->row_sum);
}

/* d [M,N], the gradient by a, becomes that by the logits, times factor. */
static void
attend_backward(size_t N, size_t M, cs_real factor, const cs_real *a, cs_real *d,
                CS_TYPED(cs_attention_room) *r)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    kernels->lane_dots(M, N, a, d, r->row_sum);
    kernels->lane_softmax_centre(M, N, factor, r->row_sum, a, d);
}

static void
output(size_t N, size_t M, size_t D, const cs_real *x, const cs_real *y,
       const CS_TYPED(cs_attention_weights) *w, cs_real scale, CS_TYPED(cs_attention_room) *r)
{
    size_t H = w->H;
    if (w->inner == NULL) {
        CS_TYPED(cs_gemm)(M, N, D, 1, y, D, 1, x, 1, D, 0, r->logits, N, 1);
        attend(N, M, scale, r->logits, r->a, r);
        CS_TYPED(cs_gemm)(N, D, M, 1, r->a, 1, N, y, D, 1, 0, r->o, D, 1);
        return;
    }
    const cs_real *bias = w->inner_bias;
    size_t width = H / w->heads;
    project(N, D, H, x, w->inner, bias, r->q);
    project(M, D, H, y, w->inner + H * D, bias == NULL ? NULL : bias + H, r->k);
    project(M, D, H, y, w->inner + 2 * H * D, bias == NULL ? NULL : bias + 2 * H, r->u);
    for (size_t head = 0, at = 0; head < w->heads; head++, at += width) {
        cs_real *a = r->a + head * M * N;
        CS_TYPED(cs_gemm)(M, N, width, 1, r->k + at, H, 1, r->q + at, 1, H, 0, r->logits, N, 1);
        attend(N, M, 1 / sqrt((cs_real)width), r->logits, a, r);
        CS_TYPED(cs_gemm)(N, width, M, 1, a, 1, N, r->u + at, H, 1, 0, r->mixed + at, H, 1);
    }
    project(N, H, D, r->mixed, w->out, w->out_bias, r->o);
}

/* From d_o to dx, dy and the gradients of the weights. */
static void
output_backward(size_t N, size_t M, size_t D, const cs_real *x, const cs_real *y,
                const CS_TYPED(cs_attention_weights) *w, CS_TYPED(cs_attention_room) *r,
                cs_real *dx, cs_real *dy)
{
    size_t H = w->H, width = H / w->heads;
    for (size_t i = 0; i < N * H; i++)
        r->dmixed[i] = 0;
    project_backward(N, H, D, r->mixed, w->out, r->d_o, w->dout, w->dout_bias, r->dmixed);
    for (size_t head = 0, at = 0; head < w->heads; head++, at += width) {
        const cs_real *a = r->a + head * M * N;
        CS_TYPED(cs_gemm)(M, N, width, 1, r->u + at, H, 1, r->dmixed + at, 1, H, 0, r->d, N, 1);
        CS_TYPED(cs_gemm)(M, width, N, 1, a, N, 1, r->dmixed + at, H, 1, 0, r->du + at, H, 1);
        attend_backward(N, M, 1 / sqrt((cs_real)width), a, r->d, r);
        CS_TYPED(cs_gemm)(N, width, M, 1, r->d, 1, N, r->k + at, H, 1, 0, r->dq + at, H, 1);
        CS_TYPED(cs_gemm)(M, width, N, 1, r->d, N, 1, r->q + at, H, 1, 0, r->dk + at, H, 1);
    }
    cs_real *dbias = w->dinner_bias;
    project_backward(N, D, H, x, w->inner, r->dq, w->dinner, dbias, dx);
    project_backward(M, D, H, y, w->inner + H * D, r->dk, w->dinner + H * D, NULL, dy);
    project_backward(M, D, H, y, w->inner + 2 * H * D, r->du, w->dinner + 2 * H * D,
                     dbias == NULL ? NULL : dbias + 2 * H, dy);
}

/* The same without weights; returns its part of dscale. */
static double
free_backward(size_t N, size_t M, size_t D, const cs_real *x, const cs_real *y, cs_real scale,
              CS_TYPED(cs_attention_room) *r, cs_real *dx, cs_real *dy)
{
    double total = 0;
    CS_TYPED(cs_gemm)(M, N, D, 1, y, D, 1, r->d_o, 1, D, 0, r->d, N, 1);
    CS_TYPED(cs_gemm)(M, D, N, 1, r->a, N, 1, r->d_o, D, 1, 1, dy, D, 1);
    attend_backward(N, M, 1, r->a, r->d, r);
    CS_TYPED(cs_pair_kernels_in_use)()->lane_dots(M, N, r->d, r->logits, r->row_sum);
    for (size_t n = 0; n < N; n++)
        total += (double)r->row_sum[n];
    CS_TYPED(cs_gemm)(N, D, M, scale, r->d, 1, N, y, D, 1, 1, dx, D, 1);
    CS_TYPED(cs_gemm)(M, D, N, scale, r->d, N, 1, x, D, 1, 1, dy, D, 1);
    return total;
}

/* e [N,N] = scale x oh^T with its diagonal moved to `matching`; the loss and what follows from it. */
static double
contrast(size_t N, size_t D, const cs_real *x, cs_real scale, CS_TYPED(cs_attention_room) *r)
{
    double total = 0;
    CS_TYPED(cs_gemm)(N, N, D, scale, x, D, 1, r->o, 1, D, 0, r->e, N, 1);
    for (size_t n = 0; n < N; n++) {
        r->matching[n] = r->e[n * N + n];
        r->e[n * N + n] = CS_MASKED;
    }
    CS_TYPED(cs_loss_kernels_in_use)()->tile_states(N, N, r->e, r->row_top, r->row_sum,
                                                    r->column_top, r->column_sum);
    for (size_t n = 0; n < N; n++) {
        cs_real own = r->matching[n];
        cs_real row = cs_excess(r->row_top[n], r->row_sum[n], own, &r->row_share[n]);
        cs_real column = cs_excess(r->column_top[n], r->column_sum[n], own, &r->column_share[n]);
        r->row_lse[n] = own + row;
        r->column_lse[n] = own + column;
        total += (double)row + (double)column;
    }
    return total / (2 * (double)N);
}

/* g = weight dloss/de; returns sum of g e. */
static double
contrast_backward(size_t N, cs_real weight, CS_TYPED(cs_attention_room) *r)
{
    double total = 0;
    weight /= (cs_real)(2 * N);
    CS_TYPED(cs_loss_kernels_in_use)()->tile_gradient(N, N, weight, r->e, r->row_lse, r->column_lse,
                                                      r->g);
    for (size_t n = 0; n < N; n++) {
        cs_real *e = r->e + n * N, *g = r->g + n * N;
        e[n] = r->matching[n];
        g[n] = -weight * (r->row_share[n] + r->column_share[n]);
        total += (double)CS_TYPED(cs_rows)()->dot(N, g, e);
    }
    return total;
}

double
CS_TYPED(cs_cross_attention)(size_t N, size_t M, size_t D, const cs_real *x, const cs_real *y,
                             const CS_TYPED(cs_attention_weights) *weights, cs_real scale,
                             cs_real weight, CS_TYPED(cs_attention_room) *r, double *dscale,
                             cs_real *dx, cs_real *dy)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    output(N, M, D, x, y, weights, scale, r);
    for (size_t n = 0; n < N; n++) {
        cs_real norm = cs_norm(rows, D, r->o + n * D);
        r->norm[n] = norm <= CS_DEAD_NORM ? 0 : norm;
        rows->scale_add(D, r->norm[n] == 0 ? 0 : 1 / norm, r->o + n * D, 0, r->o + n * D);
    }
    double loss = contrast(N, D, x, scale, r);
    if (dx == NULL || dy == NULL)
        return loss;
    *dscale += contrast_backward(N, weight, r) / (double)scale;
    CS_TYPED(cs_gemm)(N, D, N, scale, r->g, N, 1, r->o, D, 1, 1, dx, D, 1);
    CS_TYPED(cs_gemm)(N, D, N, scale, r->g, 1, N, x, D, 1, 0, r->d_o, D, 1);
    for (size_t n = 0; n < N; n++) {
        cs_real *row = r->d_o + n * D, inverse = r->norm[n] == 0 ? 0 : 1 / r->norm[n];
        cs_real along = rows->dot(D, r->o + n * D, row);
        rows->scale_add(D, -along, r->o + n * D, 1, row);
        rows->scale_add(D, inverse, row, 0, row);
    }
    if (weights->inner == NULL)
        *dscale += free_backward(N, M, D, x, y, scale, r, dx, dy);
    else
        output_backward(N, M, D, x, y, weights, r, dx, dy);
    return loss;
}
