#include "loss/gram/pacl.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/multiply.h"
#include "loss/entropy/rows_and_columns.h"
#include "loss/gram/packed_images.h"
#include "loss/gram/short_sums.h"
#include "loss/kernels/pairs.h"
#include "loss/kernels/widths.h"
#include "op/l2norm.h"

/* Captions of a tile: many read an image less often, but few tiles would leave threads idle. */
enum { COLUMNS = 64, COLUMNS_OF_MANY = 128, MANY = 512, LANE_ARRAYS = 8 };

/* One image against one tile of captions, and what its lanes hold. */
typedef struct {
    size_t P, captions, C; /* valid patches, captions, lanes: captions rounded up */
    cs_real *x, *a, *ga;   /* [P,C] */
    cs_real *y, *q, *phi, *e, *twice_f, *mean, *top, *g; /* [C] */
    cs_real *row;          /* [P] weight_scale / |v| */
    cs_real most;          /* what is summed from e and 2f, times a row's factor, stays in range */
    cs_real *columns;      /* [D,C] captions, transposed */
    cs_real *across;       /* [C,gram_row] a, transposed */
    cs_real *sums;         /* [CS_SUMS_AT_ONCE,D] */
} tile;

typedef struct {
    const cs_pacl_options *options;
    size_t B, P, D;
    CS_TYPED(cs_image_block) block;
    CS_TYPED(cs_rows_and_columns) states;
    uint8_t *has_image, *has_caption;
    cs_real *text, *text_norm; /* unit vectors [B,D], lengths [B] */
    cs_real *scores;           /* [owners, rows, columns] */
    double *dscale, *dweight;  /* [owners] */
    cs_real *tiles;            /* per thread */
    size_t tile_size;
} workspace;

static size_t
layout_tile(size_t P, size_t D, size_t columns, cs_arena *arena, tile *t)
{
    size_t before = arena->used;
    columns = cs_whole_lanes(columns);
    cs_real **lanes[LANE_ARRAYS] = {&t->y, &t->q, &t->phi, &t->e, &t->twice_f, &t->mean, &t->top,
                                    &t->g};
    t->x = CS_TAKE(arena, cs_real, P, columns);
    t->a = CS_TAKE(arena, cs_real, P, columns);
    t->ga = CS_TAKE(arena, cs_real, P, columns);
    for (size_t i = 0; i < LANE_ARRAYS; i++)
        *lanes[i] = CS_TAKE(arena, cs_real, columns);
    t->row = CS_TAKE(arena, cs_real, P);
    t->columns = CS_TAKE(arena, cs_real, D, columns);
    t->across = CS_TAKE(arena, cs_real, cs_whole_lanes(P), columns);
    t->sums = CS_TAKE(arena, cs_real, CS_SUMS_AT_ONCE, D);
    return arena->used - before;
}

static workspace
layout(size_t B, size_t P, size_t D, long long asked_rows, long long asked_columns, int gradients,
       int positive, size_t threads, cs_arena *arena)
{
    workspace w = {.B = B, .P = P, .D = D};
    size_t columns = B < MANY ? COLUMNS : COLUMNS_OF_MANY;
    size_t owners = cs_tiling_of(B, 1, columns, 0, asked_columns).owners;
    size_t rows = CS_TYPED(cs_image_block_rows)(owners, P, D);
    cs_tiling tiling = cs_tiling_of(B, rows, columns, asked_rows, asked_columns);
    cs_arena counter = {NULL, 0};
    tile measured;
    CS_TYPED(cs_image_block_layout)(tiling.rows, P, D, tiling.owners, gradients, arena, &w.block);
    CS_TYPED(cs_rows_and_columns_layout)(B, &tiling, positive, arena, &w.states);
    w.has_image = cs_arena_take(arena, B);
    w.has_caption = cs_arena_take(arena, B);
    w.text = CS_TAKE(arena, cs_real, B, D);
    w.text_norm = CS_TAKE(arena, cs_real, B);
    w.scores = CS_TAKE(arena, cs_real, tiling.owners, tiling.rows, tiling.columns);
    w.dscale = CS_TAKE(arena, double, tiling.owners);
    w.dweight = CS_TAKE(arena, double, tiling.owners);
    w.tile_size = layout_tile(P, D, tiling.columns, &counter, &measured);
    w.tiles = CS_TAKE(arena, char, threads, w.tile_size);
    return w;
}

size_t
CS_TYPED(cs_pacl_scratch)(size_t B, size_t P, size_t D, long long asked_rows,
                          long long asked_columns, int gradients, int positive,
                          size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, P, D, asked_rows, asked_columns, gradients, positive, threads, &counter);
    return counter.used;
}

static tile
tile_of_thread(const workspace *w, size_t thread)
{
    tile t;
    cs_arena arena = {(char *)w->tiles + thread * w->tile_size, 0};
    (void)layout_tile(w->P, w->D, w->states.tiling.columns, &arena, &t);
    return t;
}

/* Captions c0 .. c0 + captions as the columns of a tile; zeros beyond. */
static void
take_captions(const workspace *w, size_t c0, size_t captions, tile *t)
{
    t->captions = captions;
    t->C = cs_whole_lanes(captions);
    CS_TYPED(cs_transpose)(captions, w->D, t->C, w->text + c0 * w->D, w->D, t->columns);
}

/* phi of image r of the block with the tile's captions, from c0 on, and what its gradient needs. */
static void
form_tile(const workspace *w, size_t r, size_t c0, tile *t)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    const CS_TYPED(cs_image_block) *block = &w->block;
    size_t P = t->P = block->count[r], D = w->D, C = t->C;
    cs_real power = ldexp((cs_real)1, block->exponent[r]);
    cs_real dead = CS_TYPED(cs_image_block_dead)(block, r), steepest = 1;
    for (size_t p = 0; p < P; p++) {
        t->row[p] = (cs_real)w->options->weight_scale * block->inverse[r * w->P + p];
        steepest = t->row[p] > steepest ? t->row[p] : steepest;
    }
    t->most = CS_REAL_MAX / 64 / (cs_real)D / steepest;
    cs_multiply(P, C, D, block->rows + r * w->P * D, D, 1, t->columns, C, 0, t->x, C);
    kernels->patch_weights(P, C, w->options->sigmoid, t->row, t->x, t->a, t->top, t->q);
    kernels->lane_dots(P, C, t->a, t->x, t->y);
    if (!w->options->renormalize) {
        memset(t->ga, 0, P * C * sizeof(cs_real));
        for (size_t k = 0; k < C; k++)
            t->phi[k] = t->y[k] * power;
        return;
    }
    cs_multiply(P, C, P, block->gram + r * w->P * block->gram_row, block->gram_row, 1, t->a, C, 0,
                t->ga, C);
    kernels->lane_dots(P, C, t->a, t->ga, t->q);
    for (size_t k = 0; k < C; k++) {
        /* |w| is at least its part along the caption, which rounding must not undo. */
        t->q[k] = sqrt(t->q[k] < t->y[k] * t->y[k] ? t->y[k] * t->y[k] : t->q[k]);
    }
    cs_real most = w->options->sigmoid ? (cs_real)P : 1;
    CS_TYPED(cs_short_sums)(block, r, t->captions, C, most, t->a, w->text + c0 * D, t->y, t->q,
                            t->sums);
    for (size_t k = 0; k < C; k++) {
        cs_real length = t->q[k];
        t->phi[k] = length <= dead ? 0 : t->y[k] / length;
        t->q[k] = length <= dead ? 0 : length;
    }
}

/* First pass of one owner over the block. */
static void
absorb_owner(workspace *w, size_t owner, size_t thread)
{
    const cs_tiling *tiling = &w->states.tiling;
    size_t begin = owner * tiling->owned, end = cs_least(begin + tiling->owned, w->B);
    size_t R = w->block.images;
    cs_real scale = (cs_real)w->options->logit_scale;
    cs_real *scores = w->scores + owner * tiling->rows * tiling->columns;
    tile t = tile_of_thread(w, thread);
    CS_TYPED(cs_rows_and_columns_begin)(&w->states, owner, R);
    for (size_t c0 = begin; c0 < end; c0 += tiling->columns) {
        size_t C = cs_least(tiling->columns, end - c0);
        take_captions(w, c0, C, &t);
        for (size_t r = 0; r < R; r++) {
            form_tile(w, r, c0, &t);
            for (size_t k = 0; k < C; k++)
                scores[r * C + k] = scale * t.phi[k];
        }
        CS_TYPED(cs_rows_and_columns_absorb)(&w->states, owner, w->block.first, R, c0, C, scores);
    }
}

/* From dloss/dphi of the tile's captions to e, 2f and the weighted mean of da. */
static void
lane_gradients(const workspace *w, size_t r, size_t c0, tile *t, double *dscale)
{
    cs_real scale = (cs_real)w->options->logit_scale;
    cs_real power = ldexp((cs_real)1, w->block.exponent[r]);
    double total = 0;
    for (size_t k = 0; k < t->captions; k++)
        t->e[k] = scale * t->phi[k];
    CS_TYPED(cs_rows_and_columns_gradient)(&w->states, w->block.first + r, c0, t->captions, 1,
                                           t->e, t->g);
    for (size_t k = 0; k < t->C; k++) {
        if (k >= t->captions) {
            t->e[k] = t->twice_f[k] = t->mean[k] = 0;
            continue;
        }
        cs_real h = scale * t->g[k], length = t->q[k], most = t->most;
        total += (double)(t->g[k] * t->phi[k]);
        if (w->options->renormalize) {
            t->e[k] = length == 0 ? 0 : cs_within(most, h / length);
            most /= fmax(length, 1);
            t->twice_f[k] =
                length == 0 ? 0 : cs_within(most, -h * t->phi[k] / (length * length));
            t->mean[k] = 0;
        } else {
            t->e[k] = h * power;
            t->twice_f[k] = 0;
            t->mean[k] = w->options->sigmoid ? 0 : t->e[k] * t->y[k];
        }
    }
    *dscale += total;
}

/* Second pass: the gradient of the owner's captions, and its part of the block's. */
static void
gradient_of_owner(workspace *w, size_t owner, size_t thread, cs_real *dtext)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    const cs_tiling *tiling = &w->states.tiling;
    size_t begin = owner * tiling->owned, end = cs_least(begin + tiling->owned, w->B);
    size_t D = w->D, stride = w->P;
    tile t = tile_of_thread(w, thread);
    CS_TYPED(cs_image_block_clear)(&w->block, owner);
    for (size_t c0 = begin; c0 < end; c0 += tiling->columns) {
        size_t captions = cs_least(tiling->columns, end - c0);
        take_captions(w, c0, captions, &t);
        for (size_t r = 0; r < w->block.images; r++) {
            const cs_real *rows = w->block.rows + r * stride * D;
            form_tile(w, r, c0, &t);
            lane_gradients(w, r, c0, &t, &w->dscale[owner]);
            kernels->patch_weights_backward(t.P, t.C, w->options->sigmoid, t.row, t.e, t.twice_f,
                                            t.mean, t.a, t.x, t.ga,
                                            CS_TYPED(cs_image_block_along)(&w->block, owner, r));
            CS_TYPED(cs_term) to_text = {t.P, t.ga, 1, t.C, rows, D};
            cs_add_far(captions, D, 1, &to_text, dtext + c0 * D);
            cs_multiply(t.P, D, captions, t.ga, t.C, 1, w->text + c0 * D, D, c0 > begin,
                        CS_TYPED(cs_image_block_drows)(&w->block, owner, r), D);
            if (!w->options->renormalize)
                continue;
            CS_TYPED(cs_transpose)(t.P, t.C, w->block.gram_row, t.a, t.C, t.across);
            CS_TYPED(cs_image_block_add_gram)(&w->block, owner, r, c0 == begin, captions, t.x, t.C,
                                              t.across);
        }
    }
    for (size_t r = 0; r < w->block.images; r++)
        for (size_t p = 0; p < w->block.count[r]; p++)
            w->dweight[owner] += (double)CS_TYPED(cs_image_block_along)(&w->block, owner, r)[p];
}

static void
open_states(workspace *w, const uint8_t *patch_valid, const cs_groups *groups)
{
    for (size_t i = 0; i < w->B; i++) {
        w->has_caption[i] = 1;
        w->has_image[i] = patch_valid == NULL && w->P > 0;
        for (size_t p = 0; patch_valid != NULL && p < w->P; p++)
            w->has_image[i] |= patch_valid[i * w->P + p];
    }
    w->block.valid = patch_valid;
    CS_TYPED(cs_rows_and_columns_open)(w->has_image, w->has_caption, groups, &w->states);
}

cs_status
CS_TYPED(cs_pacl)(size_t B, size_t P, size_t D, const cs_real *patches, const cs_real *text,
                  const uint8_t *patch_valid, const cs_groups *groups,
                  const cs_pacl_options *options, double *out, cs_real *dpatches, cs_real *dtext,
                  size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    int gradients = dpatches != NULL && dtext != NULL;
    workspace w = layout(B, P, D, options->asked_rows, options->asked_columns, gradients,
                         cs_groups_match(groups), threads, &arena);
    const cs_tiling *tiling = &w.states.tiling;
    out[0] = out[1] = out[2] = 0;
    if (B == 0)
        return CS_OK;
    threads = cs_threads_for(threads, tiling->owners, tiling->rows * B * P * D);
    CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, text, w.text, w.text_norm));
    w.options = options;
    w.block.unit = options->unit_pool;
    w.block.use_gram = options->renormalize;
    open_states(&w, patch_valid, groups);
    for (size_t r0 = 0; r0 < B; r0 += tiling->rows) {
        CS_TYPED(cs_image_block_pack)(r0, cs_least(tiling->rows, B - r0), patches, &w.block);
        CS_EACH_DYNAMIC(owner, thread, tiling->owners, threads, absorb_owner(&w, owner, thread));
        CS_TYPED(cs_rows_and_columns_merge)(&w.states, r0, w.block.images);
    }
    out[0] = CS_TYPED(cs_rows_and_columns_close)(&w.states);
    if (!gradients)
        return CS_OK;
    memset(dtext, 0, B * D * sizeof(cs_real));
    memset(w.dscale, 0, tiling->owners * sizeof(double));
    memset(w.dweight, 0, tiling->owners * sizeof(double));
    for (size_t r0 = 0; r0 < B; r0 += tiling->rows) {
        CS_TYPED(cs_image_block_pack)(r0, cs_least(tiling->rows, B - r0), patches, &w.block);
        CS_EACH_DYNAMIC(owner, thread, tiling->owners, threads,
                        gradient_of_owner(&w, owner, thread, dtext));
        CS_TYPED(cs_image_block_finish)(&w.block, dpatches);
    }
    for (size_t owner = 0; owner < tiling->owners; owner++) {
        out[1] += w.dscale[owner];
        out[2] += w.dweight[owner] / options->weight_scale;
    }
    return CS_TYPED(cs_l2norm_backward)(B, D, w.text, w.text_norm, dtext, dtext);
}
