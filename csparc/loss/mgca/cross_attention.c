#include "loss/mgca/cross_attention.h"

#include "base/real.h"
#include "la/multiply.h"
#include "la/rows.h"
#include "la/unit_vector.h"
#include "loss/kernels/logits.h"
#include "loss/kernels/pairs.h"
#include "loss/kernels/widths.h"

enum { NARROW = 8, VECTORS = 3 };

void
CS_TYPED(cs_attention_arrays_layout)(size_t P, size_t L, size_t D, size_t H, size_t heads,
                                     cs_arena *arena, CS_TYPED(cs_attention_arrays) *r)
{
    cs_real **narrow[NARROW] = {&r->q, &r->k, &r->u, &r->mixed, &r->dq, &r->dk, &r->du, &r->dmixed};
    cs_real **vectors[VECTORS] = {&r->norm, &r->top, &r->sum};
    size_t most = P > L ? P : L, lanes = cs_whole_lanes(most), tall = D > H ? D : H;
    size_t words = CS_SIZE(P, cs_whole_lanes(L)), regions = CS_SIZE(L, cs_whole_lanes(P));
    size_t logits = words > regions ? words : regions;
    for (size_t i = 0; i < NARROW; i++)
        *narrow[i] = CS_TAKE(arena, cs_real, most, H);
    r->o = CS_TAKE(arena, cs_real, most, D);
    r->d_o = CS_TAKE(arena, cs_real, most, D);
    r->columns = CS_TAKE(arena, cs_real, tall, lanes);
    r->a = CS_TAKE(arena, cs_real, heads, logits);
    r->logits = CS_TAKE(arena, cs_real, logits);
    r->d = CS_TAKE(arena, cs_real, logits);
    r->e = CS_TAKE(arena, cs_real, most, lanes);
    r->g = CS_TAKE(arena, cs_real, most, lanes);
    for (size_t i = 0; i < VECTORS; i++)
        *vectors[i] = CS_TAKE(arena, cs_real, lanes);
    CS_TYPED(cs_square_layout)(lanes, arena, &r->square);
}

/* c [M,lanes] = a [M,K] x^T, x [N,K] (row strides a_row, x_row). */
static void
multiply_across(size_t M, size_t N, size_t K, const cs_real *a, size_t a_row, const cs_real *x,
                size_t x_row, CS_TYPED(cs_attention_arrays) *r, cs_real *c)
{
    size_t lanes = cs_whole_lanes(N);
    CS_TYPED(cs_transpose)(N, K, lanes, x, x_row, r->columns);
    cs_multiply(M, lanes, K, a, a_row, 1, r->columns, lanes, 0, c, lanes);
}

/* y [N,H] = x [N,D] W^T + b, columns [D,H] = W^T with a row stride. */
static void
project(size_t N, size_t D, size_t H, const cs_real *x, const cs_real *columns, size_t columns_row,
        const cs_real *bias, cs_real *y)
{
    CS_TYPED(cs_term) term = {D, x, D, 1, columns, columns_row};
    CS_TYPED(cs_result) result = {y, H, NULL, bias, 0, 0};
    CS_TYPED(cs_product)(N, H, 1, &term, &result);
}

/* dW [H,D] += dy^T x; db += column sums of dy. The gradients of the weights of both directions, 2
 * MB, are added to once a sample and have left the near caches in between. */
static void
weights_backward(size_t N, size_t D, size_t H, const cs_real *x, const cs_real *dy,
                 cs_real *dweight, cs_real *dbias)
{
    CS_TYPED(cs_term) term = {N, dy, 1, H, x, D};
    cs_add_far(H, D, 1, &term, dweight);
    for (size_t n = 0; dbias != NULL && n < N; n++)
        for (size_t h = 0; h < H; h++)
            dbias[h] += dy[n * H + h];
}

/* a [M,lanes] = softmax over keys of factor logits, a query a lane. */
static void
attend(size_t N, size_t M, cs_real factor, const cs_real *logits, cs_real *a,
       CS_TYPED(cs_attention_arrays) *r)
{
    size_t lanes = cs_whole_lanes(N);
    for (size_t n = 0; n < lanes; n++)
        r->norm[n] = factor;
    CS_TYPED(cs_pair_kernels_in_use)()->lane_softmax(M, lanes, r->norm, logits, a, r->top,
                                                     r->sum);
}

/* d [M,lanes], the gradient by a, becomes that by the logits, times factor. */
static void
attend_backward(size_t N, size_t M, cs_real factor, const cs_real *a, cs_real *d,
                CS_TYPED(cs_attention_arrays) *r)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    kernels->lane_dots(M, cs_whole_lanes(N), a, d, r->sum);
    kernels->lane_softmax_centre(M, cs_whole_lanes(N), factor, r->sum, a, d);
}

static void
output(size_t N, size_t M, size_t D, const cs_real *x, const cs_real *y,
       const CS_TYPED(cs_attention_weights) *w, cs_real scale, CS_TYPED(cs_attention_arrays) *r)
{
    size_t H = w->H, lanes = cs_whole_lanes(N);
    if (w->inner == NULL) {
        multiply_across(M, N, D, y, D, x, D, r, r->logits);
        attend(N, M, scale, r->logits, r->a, r);
        cs_multiply(N, D, M, r->a, 1, lanes, y, D, 0, r->o, D);
        return;
    }
    const cs_real *bias = w->inner_bias, *columns = w->inner_columns;
    size_t width = H / w->heads;
    project(N, D, H, x, columns, 3 * H, bias, r->q);
    project(M, D, H, y, columns + H, 3 * H, bias == NULL ? NULL : bias + H, r->k);
    project(M, D, H, y, columns + 2 * H, 3 * H, bias == NULL ? NULL : bias + 2 * H, r->u);
    for (size_t head = 0, at = 0; head < w->heads; head++, at += width) {
        cs_real *a = r->a + head * M * lanes;
        multiply_across(M, N, width, r->k + at, H, r->q + at, H, r, r->logits);
        attend(N, M, 1 / sqrt((cs_real)width), r->logits, a, r);
        cs_multiply(N, width, M, a, 1, lanes, r->u + at, H, 0, r->mixed + at, H);
    }
    project(N, H, D, r->mixed, w->out_columns, D, w->out_bias, r->o);
}

/* From d_o to dx, dy and the gradients of the weights. */
static void
output_backward(size_t N, size_t M, size_t D, const cs_real *x, const cs_real *y,
                const CS_TYPED(cs_attention_weights) *w, CS_TYPED(cs_attention_arrays) *r,
                cs_real *dx, cs_real *dy)
{
    size_t H = w->H, width = H / w->heads, lanes = cs_whole_lanes(N);
    weights_backward(N, H, D, r->mixed, r->d_o, w->dout, w->dout_bias);
    cs_multiply(N, H, D, r->d_o, D, 1, w->out, H, 0, r->dmixed, H);
    for (size_t head = 0, at = 0; head < w->heads; head++, at += width) {
        const cs_real *a = r->a + head * M * lanes;
        multiply_across(M, N, width, r->u + at, H, r->dmixed + at, H, r, r->d);
        cs_multiply(M, width, N, a, lanes, 1, r->dmixed + at, H, 0, r->du + at, H);
        attend_backward(N, M, 1 / sqrt((cs_real)width), a, r->d, r);
        cs_multiply(N, width, M, r->d, 1, lanes, r->k + at, H, 0, r->dq + at, H);
        cs_multiply(M, width, N, r->d, lanes, 1, r->q + at, H, 0, r->dk + at, H);
    }
    cs_real *dbias = w->dinner_bias;
    weights_backward(N, D, H, x, r->dq, w->dinner, dbias);
    weights_backward(M, D, H, y, r->dk, w->dinner + H * D, NULL);
    weights_backward(M, D, H, y, r->du, w->dinner + 2 * H * D,
                     dbias == NULL ? NULL : dbias + 2 * H);
    CS_TYPED(cs_term)
    to_x = {H, r->dq, H, 1, w->inner, D},
    to_y[] = {{H, r->dk, H, 1, w->inner + H * D, D}, {H, r->du, H, 1, w->inner + 2 * H * D, D}};
    cs_add_far(N, D, 1, &to_x, dx);
    cs_add_far(M, D, 2, to_y, dy);
}

/* The same without weights; returns its part of dscale. */
static double
free_backward(size_t N, size_t M, size_t D, const cs_real *x, const cs_real *y, cs_real scale,
              CS_TYPED(cs_attention_arrays) *r, cs_real *dx, cs_real *dy)
{
    size_t lanes = cs_whole_lanes(N);
    double total = 0;
    multiply_across(M, N, D, y, D, r->d_o, D, r, r->d);
    attend_backward(N, M, scale, r->a, r->d, r);
    CS_TYPED(cs_pair_kernels_in_use)()->lane_dots(M, lanes, r->d, r->logits, r->sum);
    for (size_t n = 0; n < N; n++)
        total += (double)r->sum[n];
    CS_TYPED(cs_term)
    to_x = {M, r->d, 1, lanes, y, D},
    to_y[] = {{N, r->a, lanes, 1, r->d_o, D}, {N, r->d, lanes, 1, x, D}};
    cs_add_far(N, D, 1, &to_x, dx);
    cs_add_far(M, D, 2, to_y, dy);
    return total / (double)scale;
}

/* e [N,lanes] = scale x oh^T with its diagonal moved to square.matching, and its cross-entropies.
 * Returns the loss. */
static double
contrast(size_t N, size_t D, const cs_real *x, cs_real scale, CS_TYPED(cs_attention_arrays) *r)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t lanes = cs_whole_lanes(N);
    multiply_across(N, N, D, x, D, r->o, D, r, r->e);
    for (size_t n = 0; n < N; n++)
        rows->scale_add(N, scale, r->e + n * lanes, 0, r->e + n * lanes);
    return CS_TYPED(cs_square_loss)(N, lanes, r->e, &r->square) / (2 * (double)N);
}

/* g = weight dloss/de; returns sum of g e. */
static double
contrast_backward(size_t N, cs_real weight, CS_TYPED(cs_attention_arrays) *r)
{
    size_t lanes = cs_whole_lanes(N);
    const CS_TYPED(cs_square) *square = &r->square;
    double total = 0;
    weight /= (cs_real)(2 * N);
    CS_TYPED(cs_logit_kernels_in_use)()->tile_gradient(N, lanes, weight, r->e, square->rows.lse,
                                                       square->columns.lse, r->g);
    for (size_t n = 0; n < N; n++) {
        cs_real *e = r->e + n * lanes, *g = r->g + n * lanes;
        e[n] = square->matching[n];
        g[n] = -weight * (square->rows.share[n] + square->columns.share[n]);
        total += (double)CS_TYPED(cs_rows)()->dot(N, g, e);
    }
    return total;
}

double
CS_TYPED(cs_cross_attention)(size_t N, size_t M, size_t D, const cs_real *x, const cs_real *y,
                             const CS_TYPED(cs_attention_weights) *weights, cs_real scale,
                             cs_real weight, CS_TYPED(cs_attention_arrays) *r, double *dscale,
                             cs_real *dx, cs_real *dy)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t lanes = cs_whole_lanes(N);
    output(N, M, D, x, y, weights, scale, r);
    for (size_t n = 0; n < N; n++)
        r->norm[n] = cs_unit_forward(rows, D, r->o + n * D, r->o + n * D);
    double loss = contrast(N, D, x, scale, r);
    if (dx == NULL || dy == NULL)
        return loss;
    /* g becomes the gradient of cosines. */
    *dscale += contrast_backward(N, scale * weight, r) / ((double)scale * (double)scale);
    CS_TYPED(cs_term) to_x = {N, r->g, lanes, 1, r->o, D};
    cs_add_far(N, D, 1, &to_x, dx);
    cs_multiply(N, D, N, r->g, 1, lanes, x, D, 0, r->d_o, D);
    for (size_t n = 0; n < N; n++)
        cs_unit_backward(rows, D, r->o + n * D, r->norm[n], r->d_o + n * D, r->d_o + n * D);
    if (weights->inner == NULL)
        *dscale += free_backward(N, M, D, x, y, scale, r, dx, dy);
    else
        output_backward(N, M, D, x, y, weights, r, dx, dy);
    return loss;
}
