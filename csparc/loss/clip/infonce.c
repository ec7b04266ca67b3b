#include "loss/clip/infonce.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/rows.h"
#include "loss/clip/extra_texts.h"
#include "loss/clip/score_tiles.h"
#include "loss/entropy/contrast_side.h"
#include "op/l2norm.h"

/* Images or captions: their unit vectors, and the cross-entropies of their rows (columns) of U. */
typedef struct {
    cs_real *unit, *norm; /* [B,D], [B] */
    CS_TYPED(cs_contrast_side) side;
} modality;

typedef struct {
    CS_TYPED(cs_score_tiles) products;
    modality image, text;
    CS_TYPED(cs_extra_texts) extra;
    const cs_groups *groups;
    cs_real *matching; /* [B] U_ii */
    /* Blocks of rows, and how many leave their columns' states at a time, which changes no bit. */
    size_t blocks, panel;
    CS_TYPED(cs_log_sums) column_others; /* [panel, B] */
    CS_TYPED(cs_matches) column_matches; /* [panel, B] */
    CS_TYPED(cs_matches) tile_matches;   /* [panel, rows + columns] of one tile */
    size_t owners, tile;                 /* with those of extra captions; numbers of a tile */
    double *dscale;                      /* [owners] */
    cs_real *tiles; /* per thread: two tiles, and the states of the rows of one */
} workspace;

static size_t
thread_elements(const workspace *w)
{
    return cs_size_plus(cs_size_times(2, w->tile), cs_size_times(2, w->products.tiling.rows));
}

static void
layout_modality(size_t B, size_t D, int positive, cs_arena *arena, modality *m)
{
    m->unit = CS_TAKE(arena, cs_real, B, D);
    m->norm = CS_TAKE(arena, cs_real, B);
    CS_TYPED(cs_contrast_side_layout)(B, positive, arena, &m->side);
}

static workspace
layout(size_t B, size_t N, size_t D, int positive, size_t threads, cs_arena *arena)
{
    workspace w;
    cs_tiling t = CS_TYPED(cs_score_tiling)(B, 0, 0);
    w.blocks = cs_ceil_divide(B, t.rows);
    w.panel = cs_least(w.blocks, CS_MOST_OWNERS);
    layout_modality(B, D, positive, arena, &w.image);
    layout_modality(B, D, positive, arena, &w.text);
    CS_TYPED(cs_score_tiles_layout)(B, D, &t, arena, &w.products);
    w.products.image = w.image.unit;
    w.products.text = w.text.unit;
    CS_TYPED(cs_extra_texts_layout)(N, D, w.image.unit, &t, 0, arena, &w.extra);
    const cs_tiling *extra = &w.extra.products.tiling;
    w.owners = t.owners + extra->owners;
    w.tile = cs_size_times(t.rows, t.columns > extra->columns ? t.columns : extra->columns);
    w.matching = CS_TAKE(arena, cs_real, B);
    CS_TYPED(cs_log_sums_layout)(cs_size_times(w.panel, B), arena, &w.column_others);
    CS_TYPED(cs_matches_layout)(positive ? cs_size_times(w.panel, B) : 0, arena, &w.column_matches);
    CS_TYPED(cs_matches_layout)
    (positive ? w.panel * (t.rows + t.columns) : 0, arena, &w.tile_matches);
    w.dscale = CS_TAKE(arena, double, w.owners);
    w.tiles = CS_TAKE(arena, cs_real, threads, thread_elements(&w));
    return w;
}

size_t
CS_TYPED(cs_contrastive_scratch)(size_t B, size_t N, size_t D, int positive, size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, N, D, positive, threads, &counter);
    return counter.used;
}

/* Mask the matching pairs of a tile, and the excluded ones; with `matching`, note the former there
 * first. */
static void
mask_matching(const cs_groups *groups, size_t r0, size_t R, size_t c0, size_t C, cs_real *u,
              cs_real *matching)
{
    size_t first = r0 > c0 ? r0 : c0, end = cs_least(r0 + R, c0 + C);
    for (size_t i = first; i < end; i++) {
        cs_real *place = u + (i - r0) * C + (i - c0);
        if (matching != NULL)
            matching[i] = *place;
        *place = CS_MASKED;
    }
    if (groups->id != NULL)
        CS_TYPED(cs_groups_exclude)(groups, r0, R, c0, C, u);
}

/* Move the matching pairs of a tile to the states of matches: of its rows, and of its columns in
 * one place of the panel. The thread's second tile is free to use. */
static void
absorb_matches(size_t B, size_t place, size_t r0, size_t R, size_t c0, size_t C,
               const workspace *w, cs_real *tiles)
{
    const cs_tiling *t = &w->products.tiling;
    CS_TYPED(cs_matches)
    of_rows = CS_TYPED(cs_matches_from)(&w->tile_matches, place * (t->rows + t->columns)),
    of_columns = CS_TYPED(cs_matches_from)(&of_rows, t->rows),
    rows = CS_TYPED(cs_matches_from)(&w->image.side.matches, r0),
    columns = CS_TYPED(cs_matches_from)(&w->column_matches, place * B + c0);
    CS_TYPED(cs_groups_absorb)(w->groups, r0, R, c0, C, tiles, tiles + t->rows * t->columns,
                               &of_rows, &of_columns);
    CS_TYPED(cs_matches_clear)(C, &columns);
    CS_TYPED(cs_matches_merge)(C, &columns, &of_columns);
    if (c0 == 0)
        CS_TYPED(cs_matches_clear)(R, &rows);
    CS_TYPED(cs_matches_merge)(R, &rows, &of_rows);
}

/* The states of the rows of one block, and of its columns in one place of the panel. */
static void
absorb_block(size_t B, size_t block, size_t place, workspace *w, cs_real *tiles)
{
    const cs_tiling *t = &w->products.tiling;
    size_t r0 = block * t->rows, R = cs_least(t->rows, B - r0);
    cs_real *states = tiles + 2 * w->tile;
    CS_TYPED(cs_log_sums)
    of_rows = {states, states + t->rows},
    rows = CS_TYPED(cs_log_sums_from)(&w->image.side.rows.others, r0),
    columns = CS_TYPED(cs_log_sums_from)(&w->column_others, place * B);
    CS_TYPED(cs_log_sums_clear)(R, &rows);
    for (size_t c0 = 0; c0 < B; c0 += t->columns) {
        size_t C = cs_least(t->columns, B - c0);
        CS_TYPED(cs_log_sums) of_columns = CS_TYPED(cs_log_sums_from)(&columns, c0);
        CS_TYPED(cs_score_tile)(&w->products, r0, R, c0, C, tiles);
        if (cs_groups_match(w->groups))
            absorb_matches(B, place, r0, R, c0, C, w, tiles);
        else
            mask_matching(w->groups, r0, R, c0, C, tiles, w->matching);
        CS_TYPED(cs_log_sums_of_tile)(R, C, tiles, &of_rows, &of_columns);
        CS_TYPED(cs_log_sums_merge)(R, &rows, &of_rows);
    }
    CS_TYPED(cs_extra_texts_absorb)(&w->extra, r0, R, tiles, &of_rows, &rows);
}

/* Column k takes in the panel's states, in the order of its blocks. */
static void
merge_column(size_t B, size_t blocks, const workspace *w, size_t k)
{
    const CS_TYPED(cs_log_sums) *columns = &w->text.side.rows.others;
    for (size_t place = 0; place < blocks; place++)
        cs_merge_states(&columns->top[k], &columns->sum[k], w->column_others.top[place * B + k],
                        w->column_others.sum[place * B + k]);
}

/* States of all rows and all columns. */
static void
absorb_all(size_t B, workspace *w, size_t threads)
{
    CS_TYPED(cs_contrast_side_clear)(B, w->groups, &w->text.side);
    for (size_t first = 0; first < w->blocks; first += w->panel) {
        size_t blocks = cs_least(w->panel, w->blocks - first);
        CS_EACH_DYNAMIC(place, thread, blocks, threads,
                        absorb_block(B, first + place, place, w,
                                     w->tiles + thread * thread_elements(w)));
        CS_EACH(k, B, cs_threads_for_exps(B, blocks * B), merge_column(B, blocks, w, k));
        for (size_t place = 0; cs_groups_match(w->groups) && place < blocks; place++) {
            CS_TYPED(cs_matches)
            part = CS_TYPED(cs_matches_from)(&w->column_matches, place * B);
            CS_TYPED(cs_matches_merge)(B, &w->text.side.matches, &part);
        }
    }
}

/* Put the gradients of the matching pairs of image i and captions c0 .. c0+C in place. Returns the
 * part of sum dU o (U - origin): all of dU sums to 0, so that subtracting a constant from U changes
 * the sum in nothing but how much of it cancels. */
static double
gradient_of_matches(size_t i, size_t c0, size_t C, cs_real weight, const workspace *w, cs_real *u,
                    cs_real *g)
{
    const CS_TYPED(cs_contrast_side) *image = &w->image.side, *text = &w->text.side;
    cs_real origin = image->matches.sums.top[0];
    CS_TYPED(cs_groups_gradient)(w->groups, i, c0, C, weight, &image->matches, image->rows.share,
                                 &text->matches, text->rows.share, u, g);
    for (size_t k = 0; k < C; k++)
        u[k] -= origin;
    return (double)CS_TYPED(cs_rows)()->dot(C, g, u);
}

/* What an owner of extra captions adds; `origin` as in gradient_of_matches. */
static void
extra_gradient(size_t owner, size_t r0, size_t R, cs_real weight, workspace *w, cs_real *dextra,
               cs_real *tiles)
{
    cs_real origin = cs_groups_match(w->groups) ? w->image.side.matches.sums.top[0] : 0;
    w->dscale[w->products.tiling.owners + owner] += CS_TYPED(cs_extra_texts_backward)(
        &w->extra, owner, r0, R, weight, origin, w->image.side.rows.lse + r0, tiles,
        tiles + w->tile, dextra);
}

/* One owner's captions against a block of images: dtext, and the owner's parts of dimage and of
 * sum dU o U. `weight` holds the factor logit_scale that dimage and dtext need. */
static void
owner_gradient(size_t B, size_t owner, size_t r0, size_t R, cs_real weight, workspace *w,
               cs_real *dtext, cs_real *tiles)
{
    const CS_TYPED(cs_logit_kernels) *kernels = CS_TYPED(cs_logit_kernels_in_use)();
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const cs_tiling *t = &w->products.tiling;
    cs_real *u = tiles, *g = u + w->tile;
    const CS_TYPED(cs_cross_entropies) *image = &w->image.side.rows, *text = &w->text.side.rows;
    int several = cs_groups_match(w->groups);
    size_t begin = cs_first_caption(t, owner), end = cs_end_caption(t, owner, B);
    for (size_t c0 = begin; c0 < end; c0 += t->columns) {
        size_t C = cs_least(t->columns, end - c0);
        CS_TYPED(cs_score_tile)(&w->products, r0, R, c0, C, u);
        if (!several)
            mask_matching(w->groups, r0, R, c0, C, u, NULL);
        kernels->tile_gradient(R, C, weight, u, image->lse + r0, text->lse + c0, g);
        for (size_t r = 0; r < R; r++) {
            size_t same = r0 + r;
            if (several) {
                w->dscale[owner] += gradient_of_matches(same, c0, C, weight, w, u + r * C,
                                                        g + r * C);
                continue;
            }
            w->dscale[owner] += (double)rows->dot(C, g + r * C, u + r * C);
            if (same < c0 || same >= c0 + C)
                continue;
            cs_real own = -weight * (image->share[same] + text->share[same]);
            g[r * C + same - c0] = own;
            w->dscale[owner] += (double)(own * w->matching[same]);
        }
        CS_TYPED(cs_score_tile_gradients)(&w->products, owner, r0, R, c0, C, g, dtext);
    }
}

static void
block_gradient(size_t B, size_t owner, size_t r0, size_t R, cs_real weight, workspace *w,
               cs_real *dtext, cs_real *dextra, cs_real *tiles)
{
    size_t of_batch = w->products.tiling.owners;
    if (owner < of_batch)
        owner_gradient(B, owner, r0, R, weight, w, dtext, tiles);
    else
        extra_gradient(owner - of_batch, r0, R, weight, w, dextra, tiles);
}

static void
gradients(size_t B, cs_real weight, workspace *w, cs_real *dimage, cs_real *dtext,
          cs_real *dextra, size_t threads)
{
    const cs_tiling *t = &w->products.tiling;
    memset(w->dscale, 0, w->owners * sizeof(double));
    for (size_t r0 = 0; r0 < B; r0 += t->rows) {
        size_t R = cs_least(t->rows, B - r0);
        CS_EACH_DYNAMIC(owner, thread, w->owners, threads,
                        block_gradient(B, owner, r0, R, weight, w, dtext, dextra,
                                       w->tiles + thread * thread_elements(w)));
        CS_TYPED(cs_score_tiles_sum)(&w->products, r0, R, 0, dimage);
        CS_TYPED(cs_score_tiles_sum)(&w->extra.products, r0, R, 1, dimage);
    }
}

/* No gradient at all: of a weight 0, or of extra captions that meet no image. */
static cs_status
write_zeros(size_t B, size_t N, size_t D, cs_real *dimage, cs_real *dtext, cs_real *dextra)
{
    if (dimage == NULL || dtext == NULL)
        return CS_OK;
    memset(dimage, 0, B * D * sizeof(cs_real));
    memset(dtext, 0, B * D * sizeof(cs_real));
    if (dextra != NULL)
        memset(dextra, 0, N * D * sizeof(cs_real));
    return CS_OK;
}

cs_status
CS_TYPED(cs_contrastive)(size_t B, size_t N, size_t D, const cs_real *image, const cs_real *text,
                         const cs_real *extra, const cs_groups *groups, cs_real logit_scale,
                         cs_real weight, double *out, cs_real *dimage, cs_real *dtext,
                         cs_real *dextra, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    workspace w = layout(B, N, D, cs_groups_match(groups), threads, &arena);
    w.groups = groups;
    out[0] = out[1] = 0;
    if (B == 0)
        return write_zeros(B, N, D, dimage, dtext, dextra);
    /* Four products, and the exps of two softmaxes twice, which cost about two more. */
    threads = cs_threads_for(threads, B, 6 * B * (B + N) * D);
    CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, image, w.image.unit, w.image.norm));
    CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, text, w.text.unit, w.text.norm));
    CS_TYPED(cs_score_tiles_open)(&w.products, logit_scale);
    CS_TRY(CS_TYPED(cs_extra_texts_open)(extra, logit_scale, &w.extra));
    absorb_all(B, &w, threads);
    double rows =
        CS_TYPED(cs_contrast_side_close)(B, groups, w.matching, NULL, NULL, &w.image.side);
    double columns =
        CS_TYPED(cs_contrast_side_close)(B, groups, w.matching, NULL, NULL, &w.text.side);
    out[0] = (rows + columns) / (2 * (double)B);
    if (dimage == NULL || dtext == NULL)
        return CS_OK;
    if (weight == 0)
        return write_zeros(B, N, D, dimage, dtext, dextra);
    gradients(B, weight * logit_scale / (cs_real)(2 * B), &w, dimage, dtext, dextra, threads);
    for (size_t owner = 0; owner < w.owners; owner++)
        out[1] += w.dscale[owner] / ((double)logit_scale * (double)logit_scale);
    CS_TRY(CS_TYPED(cs_l2norm_backward)(B, D, w.image.unit, w.image.norm, dimage, dimage));
    CS_TRY(CS_TYPED(cs_extra_texts_close)(&w.extra, dextra));
    return CS_TYPED(cs_l2norm_backward)(B, D, w.text.unit, w.text.norm, dtext, dtext);
}
