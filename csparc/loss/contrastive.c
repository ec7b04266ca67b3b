#include "loss/contrastive.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/gemm.h"
#include "la/rows.h"
#include "loss/kernels.h"
#include "op/l2norm.h"

/* One side of the pairs: its unit vectors and, per row, the state of the other entries of its row
 * of U (its column, for captions) and what follows from it. */
typedef struct {
    cs_real *unit, *norm; /* [B,D], [B] */
    cs_real *top, *sum;   /* [B] */
    cs_real *lse;         /* [B, rounded up to CS_LANES] */
    cs_real *share;       /* [B] 1 - softmax of the matching pair */
} side;

typedef struct {
    side image, text;
    cs_real *matching;                /* [B] U_ii */
    cs_real *column_top, *column_sum; /* [blocks, B] */
    double *dscale;                   /* [B] */
    cs_real *tiles;                   /* per thread: two tiles, states of their rows and columns */
} workspace;

enum {
    TILE = CS_TILE_ROWS * CS_TILE_COLUMNS,
    THREAD_ROOM = 2 * TILE + 2 * CS_TILE_ROWS + 2 * CS_TILE_COLUMNS
};

static size_t
block_count(size_t B)
{
    return (B + CS_TILE_ROWS - 1) / CS_TILE_ROWS;
}

static void
layout_side(size_t B, size_t D, cs_arena *arena, side *s)
{
    s->unit = cs_arena_take(arena, B * D * sizeof(cs_real));
    s->norm = cs_arena_take(arena, B * sizeof(cs_real));
    s->top = cs_arena_take(arena, B * sizeof(cs_real));
    s->sum = cs_arena_take(arena, B * sizeof(cs_real));
    s->lse = cs_arena_take(arena, (B + CS_LANES) * sizeof(cs_real));
    s->share = cs_arena_take(arena, B * sizeof(cs_real));
}

static workspace
layout(size_t B, size_t D, size_t threads, cs_arena *arena)
{
    workspace w;
    layout_side(B, D, arena, &w.image);
    layout_side(B, D, arena, &w.text);
    w.matching = cs_arena_take(arena, B * sizeof(cs_real));
    w.column_top = cs_arena_take(arena, block_count(B) * B * sizeof(cs_real));
    w.column_sum = cs_arena_take(arena, block_count(B) * B * sizeof(cs_real));
    w.dscale = cs_arena_take(arena, B * sizeof(double));
    w.tiles = cs_arena_take(arena, threads * THREAD_ROOM * sizeof(cs_real));
    return w;
}

size_t
CS_TYPED(cs_contrastive_scratch)(size_t B, size_t D, size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, D, threads, &counter);
    return counter.used;
}

static size_t
min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* u [R, width] = scale x[r0..] . y[c0..], C columns of it, padded to `width` with CS_MASKED. The
 * matching pairs go to matching[] (NULL: nowhere) and are masked as well. */
static void
form_tile(size_t R, size_t C, size_t width, size_t D, size_t r0, size_t c0, const cs_real *x,
          const cs_real *y, cs_real scale, cs_real *u, cs_real *matching)
{
    CS_TYPED(cs_gemm)(R, C, D, scale, x + r0 * D, D, 1, y + c0 * D, 1, D, 0, u, width, 1);
    for (size_t r = 0; r < R; r++) {
        cs_real *row = u + r * width;
        for (size_t k = C; k < width; k++)
            row[k] = CS_MASKED;
        size_t same = r0 + r;
        if (same < c0 || same >= c0 + C)
            continue;
        if (matching != NULL)
            matching[same] = row[same - c0];
        row[same - c0] = CS_MASKED;
    }
}

/* (top, sum) absorbs another state. */
static void
merge(cs_real *top, cs_real *sum, cs_real other_top, cs_real other_sum)
{
    if (other_top > *top) {
        *sum = *sum * exp(*top - other_top) + other_sum;
        *top = other_top;
    } else {
        *sum += other_sum * exp(other_top - *top);
    }
}

/* Row states of one block of rows, and the block's column states. */
static void
block_states(size_t B, size_t D, size_t block, cs_real scale, workspace *w, cs_real *room)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    size_t r0 = block * CS_TILE_ROWS, R = min_size(CS_TILE_ROWS, B - r0);
    cs_real *row_top = room + TILE, *row_sum = row_top + CS_TILE_ROWS;
    cs_real *column_top = row_sum + CS_TILE_ROWS, *column_sum = column_top + CS_TILE_COLUMNS;
    for (size_t r = 0; r < R; r++) {
        w->image.top[r0 + r] = CS_MASKED;
        w->image.sum[r0 + r] = 0;
    }
    for (size_t c0 = 0; c0 < B; c0 += CS_TILE_COLUMNS) {
        size_t C = min_size(CS_TILE_COLUMNS, B - c0);
        size_t width = (C + CS_LANES - 1) / CS_LANES * CS_LANES;
        form_tile(R, C, width, D, r0, c0, w->image.unit, w->text.unit, scale, room, w->matching);
        kernels->tile_states(R, width, room, row_top, row_sum, column_top, column_sum);
        for (size_t r = 0; r < R; r++)
            merge(&w->image.top[r0 + r], &w->image.sum[r0 + r], row_top[r], row_sum[r]);
        for (size_t k = 0; k < C; k++) {
            w->column_top[block * B + c0 + k] = column_top[k];
            w->column_sum[block * B + c0 + k] = column_sum[k];
        }
    }
}

static void
merge_columns(size_t B, workspace *w)
{
    CS_PARALLEL_FOR
    for (size_t k = 0; k < B; k++) {
        w->text.top[k] = CS_MASKED;
        w->text.sum[k] = 0;
        for (size_t block = 0; block < block_count(B); block++)
            merge(&w->text.top[k], &w->text.sum[k], w->column_top[block * B + k],
                  w->column_sum[block * B + k]);
    }
}

/* Sum of the rows' cross-entropies; sets lse and share. */
static double
finish_rows(size_t B, const cs_real *matching, side *s)
{
    double total = 0;
    for (size_t i = 0; i < B; i++) {
        cs_real excess = cs_excess(s->top[i], s->sum[i], matching[i], &s->share[i]);
        s->lse[i] = matching[i] + excess;
        total += (double)excess;
    }
    for (size_t i = B; i < B + CS_LANES; i++)
        s->lse[i] = 0;
    return total;
}

/* dx of one block of rows, x being either side, as the gradient of the given rows themselves; and,
 * with dscale, the sum of dU o U of each row. */
static void
block_gradient(size_t B, size_t D, size_t block, cs_real scale, cs_real weight, const side *x,
               const side *y, const cs_real *matching, cs_real *dx, double *dscale, cs_real *room)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t r0 = block * CS_TILE_ROWS, R = min_size(CS_TILE_ROWS, B - r0);
    cs_real *u = room, *g = room + TILE;
    for (size_t r = r0; dscale != NULL && r < r0 + R; r++)
        dscale[r] = (double)(-weight * (x->share[r] + y->share[r]) * matching[r]);
    for (size_t c0 = 0; c0 < B; c0 += CS_TILE_COLUMNS) {
        size_t C = min_size(CS_TILE_COLUMNS, B - c0);
        size_t width = (C + CS_LANES - 1) / CS_LANES * CS_LANES;
        form_tile(R, C, width, D, r0, c0, x->unit, y->unit, scale, u, NULL);
        kernels->tile_gradient(R, width, weight, u, x->lse + r0, y->lse + c0, g);
        for (size_t r = 0; r < R; r++) {
            if (dscale != NULL)
                dscale[r0 + r] += (double)rows->dot(C, g + r * width, u + r * width);
            size_t same = r0 + r;
            if (same >= c0 && same < c0 + C)
                g[r * width + same - c0] = -weight * (x->share[same] + y->share[same]);
        }
        CS_TYPED(cs_gemm)(R, D, C, scale, g, width, 1, y->unit + c0 * D, D, 1, c0 == 0 ? 0 : 1,
                          dx + r0 * D, D, 1);
    }
}

static void
gradients(size_t B, size_t D, cs_real scale, cs_real weight, workspace *w, double *out,
          cs_real *dimage, cs_real *dtext, size_t threads)
{
    size_t blocks = block_count(B);
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t i = 0; i < 2 * blocks; i++) {
        cs_real *room = w->tiles + (size_t)cs_thread_id() * THREAD_ROOM;
        if (i < blocks)
            block_gradient(B, D, i, scale, weight, &w->image, &w->text, w->matching, dimage,
                           w->dscale, room);
        else
            block_gradient(B, D, i - blocks, scale, weight, &w->text, &w->image, w->matching,
                           dtext, NULL, room);
    }
    double dscale = 0;
    for (size_t i = 0; i < B; i++)
        dscale += w->dscale[i];
    out[1] = dscale / (double)scale;
}

cs_status
CS_TYPED(cs_contrastive)(size_t B, size_t D, const cs_real *image, const cs_real *text,
                         cs_real logit_scale, cs_real weight, double *out, cs_real *dimage,
                         cs_real *dtext, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    workspace w = layout(B, D, threads, &arena);
    out[0] = out[1] = 0;
    if (B == 0)
        return CS_OK;
    CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, image, w.image.unit, w.image.norm));
    CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, text, w.text.unit, w.text.norm));
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t block = 0; block < block_count(B); block++)
        block_states(B, D, block, logit_scale, &w,
                     w.tiles + (size_t)cs_thread_id() * THREAD_ROOM);
    merge_columns(B, &w);
    double rows = finish_rows(B, w.matching, &w.image);
    double columns = finish_rows(B, w.matching, &w.text);
    out[0] = (rows + columns) / (2 * (double)B);
    if (dimage == NULL || dtext == NULL)
        return CS_OK;
    if (weight == 0) {
        memset(dimage, 0, B * D * sizeof(cs_real));
        memset(dtext, 0, B * D * sizeof(cs_real));
        return CS_OK;
    }
    gradients(B, D, logit_scale, weight / (cs_real)(2 * B), &w, out, dimage, dtext, threads);
    CS_TRY(CS_TYPED(cs_l2norm_backward)(B, D, w.image.unit, w.image.norm, dimage, dimage));
    return CS_TYPED(cs_l2norm_backward)(B, D, w.text.unit, w.text.norm, dtext, dtext);
}
