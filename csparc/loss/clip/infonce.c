#include "loss/clip/infonce.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/rows.h"
#include "loss/kernels/sparc.h"
#include "loss/clip/score_tiles.h"
#include "op/l2norm.h"

/* One side of the pairs: its unit vectors and, per row, the state of the other entries of its row
 * of U (its column, for captions) and what follows from it. */
typedef struct {
    cs_real *unit, *norm; /* [B,D], [B] */
    cs_real *top, *sum;   /* [B] */
    cs_real *lse;         /* [B] */
    cs_real *share;       /* [B] 1 - softmax of what matches */
    CS_TYPED(cs_matches) matches; /* where several may */
} side;

typedef struct {
    CS_TYPED(cs_score_tiles) products;
    side image, text;
    const cs_groups *groups;
    cs_real *matching;                /* [B] U_ii */
    size_t blocks, panel; /* blocks of rows, and how many at a time: no bit depends on the latter */
    cs_real *column_top, *column_sum; /* [panel, B] */
    CS_TYPED(cs_matches) column_matches; /* [panel, B] */
    CS_TYPED(cs_matches) tile_matches;   /* [panel, rows + columns] of one tile */
    double *dscale;                      /* [owners] */
    cs_real *tiles;                   /* per thread: two tiles, states of their rows and columns */
} workspace;

static size_t
room_of_thread(const cs_tiling *t)
{
    return 2 * t->rows * t->columns + 2 * t->rows + 2 * t->columns;
}

static void
layout_side(size_t B, size_t D, int positive, cs_arena *arena, side *s)
{
    s->unit = cs_arena_take(arena, B * D * sizeof(cs_real));
    s->norm = cs_arena_take(arena, B * sizeof(cs_real));
    s->top = cs_arena_take(arena, B * sizeof(cs_real));
    s->sum = cs_arena_take(arena, B * sizeof(cs_real));
    s->lse = cs_arena_take(arena, B * sizeof(cs_real));
    s->share = cs_arena_take(arena, B * sizeof(cs_real));
    CS_TYPED(cs_matches_layout)(positive ? B : 0, arena, &s->matches);
}

static workspace
layout(size_t B, size_t D, int positive, size_t threads, cs_arena *arena)
{
    workspace w;
    cs_tiling t = CS_TYPED(cs_score_tiling)(B, 0, 0);
    w.blocks = cs_ceil_divide(B, t.rows);
    w.panel = cs_least(w.blocks, CS_MOST_OWNERS);
    layout_side(B, D, positive, arena, &w.image);
    layout_side(B, D, positive, arena, &w.text);
    CS_TYPED(cs_score_tiles_layout)(B, D, &t, arena, &w.products);
    w.products.image = w.image.unit;
    w.products.text = w.text.unit;
    w.matching = cs_arena_take(arena, B * sizeof(cs_real));
    w.column_top = cs_arena_take(arena, w.panel * B * sizeof(cs_real));
    w.column_sum = cs_arena_take(arena, w.panel * B * sizeof(cs_real));
    CS_TYPED(cs_matches_layout)(positive ? w.panel * B : 0, arena, &w.column_matches);
    CS_TYPED(cs_matches_layout)
    (positive ? w.panel * (t.rows + t.columns) : 0, arena, &w.tile_matches);
    w.dscale = cs_arena_take(arena, t.owners * sizeof(double));
    w.tiles = cs_arena_take(arena, threads * room_of_thread(&t) * sizeof(cs_real));
    return w;
}

size_t
CS_TYPED(cs_contrastive_scratch)(size_t B, size_t D, int positive, size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, D, positive, threads, &counter);
    return counter.used;
}

/* Mask the matching pairs of a tile, and those that take no part; with `matching`, note the former
 * there first. */
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

/* Move the matching pairs of a tile, the second tile of its room free, to the states of matches: of
 * its rows, and of its columns in one place of the panel. */
static void
absorb_matches(size_t B, size_t place, size_t r0, size_t R, size_t c0, size_t C,
               const workspace *w, cs_real *room)
{
    const cs_tiling *t = &w->products.tiling;
    CS_TYPED(cs_matches)
    of_rows = CS_TYPED(cs_matches_from)(&w->tile_matches, place * (t->rows + t->columns)),
    of_columns = CS_TYPED(cs_matches_from)(&of_rows, t->rows),
    rows = CS_TYPED(cs_matches_from)(&w->image.matches, r0),
    columns = CS_TYPED(cs_matches_from)(&w->column_matches, place * B + c0);
    CS_TYPED(cs_groups_absorb)(w->groups, r0, R, c0, C, room, room + t->rows * t->columns,
                               &of_rows, &of_columns);
    CS_TYPED(cs_matches_clear)(C, &columns);
    CS_TYPED(cs_matches_merge)(C, &columns, &of_columns);
    if (c0 == 0)
        CS_TYPED(cs_matches_clear)(R, &rows);
    CS_TYPED(cs_matches_merge)(R, &rows, &of_rows);
}

/* Row states of one block of rows, and its column states, which take a place of the panel. */
static void
block_states(size_t B, size_t block, size_t place, workspace *w, cs_real *room)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    const cs_tiling *t = &w->products.tiling;
    size_t r0 = block * t->rows, R = cs_least(t->rows, B - r0);
    cs_real *row_top = room + 2 * t->rows * t->columns, *row_sum = row_top + t->rows;
    cs_real *column_top = row_sum + t->rows, *column_sum = column_top + t->columns;
    for (size_t r = 0; r < R; r++) {
        w->image.top[r0 + r] = CS_MASKED;
        w->image.sum[r0 + r] = 0;
    }
    for (size_t c0 = 0; c0 < B; c0 += t->columns) {
        size_t C = cs_least(t->columns, B - c0);
        CS_TYPED(cs_score_tile)(&w->products, r0, R, c0, C, room);
        if (cs_groups_match(w->groups))
            absorb_matches(B, place, r0, R, c0, C, w, room);
        else
            mask_matching(w->groups, r0, R, c0, C, room, w->matching);
        kernels->tile_states(R, C, room, row_top, row_sum, column_top, column_sum);
        for (size_t r = 0; r < R; r++)
            cs_merge_states(&w->image.top[r0 + r], &w->image.sum[r0 + r], row_top[r], row_sum[r]);
        memcpy(w->column_top + place * B + c0, column_top, C * sizeof(cs_real));
        memcpy(w->column_sum + place * B + c0, column_sum, C * sizeof(cs_real));
    }
}

/* Column k absorbs the panel's states, in the order of its blocks. */
static void
merge_column(size_t B, size_t blocks, workspace *w, size_t k)
{
    for (size_t place = 0; place < blocks; place++)
        cs_merge_states(&w->text.top[k], &w->text.sum[k], w->column_top[place * B + k],
                        w->column_sum[place * B + k]);
}

/* States of all rows and all columns. */
static void
pair_states(size_t B, workspace *w, size_t threads)
{
    for (size_t k = 0; k < B; k++) {
        w->text.top[k] = CS_MASKED;
        w->text.sum[k] = 0;
    }
    if (cs_groups_match(w->groups))
        CS_TYPED(cs_matches_clear)(B, &w->text.matches);
    for (size_t first = 0; first < w->blocks; first += w->panel) {
        size_t blocks = cs_least(w->panel, w->blocks - first);
        CS_EACH_DYNAMIC(place, thread, blocks, threads,
                        block_states(B, first + place, place, w,
                                     w->tiles + thread * room_of_thread(&w->products.tiling)));
        CS_EACH(k, B, cs_threads_if(blocks * B > 2048), merge_column(B, blocks, w, k));
        for (size_t place = 0; cs_groups_match(w->groups) && place < blocks; place++) {
            CS_TYPED(cs_matches)
            part = CS_TYPED(cs_matches_from)(&w->column_matches, place * B);
            CS_TYPED(cs_matches_merge)(B, &w->text.matches, &part);
        }
    }
}

/* Sum of the rows' cross-entropies; sets lse and share. */
static double
finish_rows(size_t B, const cs_groups *groups, const cs_real *matching, side *s)
{
    double total = 0;
    for (size_t i = 0; i < B; i++) {
        if (cs_groups_match(groups)) {
            total += (double)CS_TYPED(cs_matches_close)(&s->matches, i, s->top[i], s->sum[i],
                                                        &s->share[i], &s->lse[i]);
            continue;
        }
        cs_real excess = cs_excess(s->top[i], s->sum[i], matching[i], &s->share[i]);
        s->lse[i] = matching[i] + excess;
        total += (double)excess;
    }
    return total;
}

/* Image i and captions c0 .. c0+C: the gradients of what matches, put in place. Returns the part of
 * sum dU o (U - origin): all of dU sums to 0, so a constant changes nothing but what cancels. */
static double
gradient_of_matches(size_t i, size_t c0, size_t C, cs_real weight, const workspace *w, cs_real *u,
                    cs_real *g)
{
    cs_real origin = w->image.matches.top[0];
    CS_TYPED(cs_groups_gradient)(w->groups, i, c0, C, weight, &w->image.matches, w->image.share,
                                 &w->text.matches, w->text.share, u, g);
    for (size_t k = 0; k < C; k++)
        u[k] -= origin;
    return (double)CS_TYPED(cs_rows)()->dot(C, g, u);
}

/* One owner's captions against a block of images: dtext, the owner's part of dimage, both times
 * logit_scale, and of sum dU o U. */
static void
owner_gradient(size_t B, size_t owner, size_t r0, size_t R, cs_real weight, workspace *w,
               cs_real *dtext, cs_real *room)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const cs_tiling *t = &w->products.tiling;
    cs_real *u = room, *g = u + t->rows * t->columns;
    const side *image = &w->image, *text = &w->text;
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
gradients(size_t B, cs_real weight, workspace *w, cs_real *dimage, cs_real *dtext, size_t threads)
{
    const cs_tiling *t = &w->products.tiling;
    memset(w->dscale, 0, t->owners * sizeof(double));
    for (size_t r0 = 0; r0 < B; r0 += t->rows) {
        size_t R = cs_least(t->rows, B - r0);
        CS_EACH_DYNAMIC(owner, thread, t->owners, threads,
                        owner_gradient(B, owner, r0, R, weight, w, dtext,
                                       w->tiles + thread * room_of_thread(t)));
        CS_TYPED(cs_score_tiles_sum)(&w->products, r0, R, dimage);
    }
}

cs_status
CS_TYPED(cs_contrastive)(size_t B, size_t D, const cs_real *image, const cs_real *text,
                         const cs_groups *groups, cs_real logit_scale, cs_real weight,
                         double *out, cs_real *dimage, cs_real *dtext, size_t threads,
                         void *scratch)
{
    cs_arena arena = {scratch, 0};
    workspace w = layout(B, D, cs_groups_match(groups), threads, &arena);
    w.groups = groups;
    out[0] = out[1] = 0;
    if (B == 0)
        return CS_OK;
    if (B * B * D < 65536)
        threads = 1; /* too little to wake the others */
    CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, image, w.image.unit, w.image.norm));
    CS_TRY(CS_TYPED(cs_l2norm_forward)(B, D, text, w.text.unit, w.text.norm));
    CS_TYPED(cs_score_tiles_open)(&w.products, logit_scale);
    pair_states(B, &w, threads);
    double rows = finish_rows(B, groups, w.matching, &w.image);
    double columns = finish_rows(B, groups, w.matching, &w.text);
    out[0] = (rows + columns) / (2 * (double)B);
    if (dimage == NULL || dtext == NULL)
        return CS_OK;
    if (weight == 0) {
        memset(dimage, 0, B * D * sizeof(cs_real));
        memset(dtext, 0, B * D * sizeof(cs_real));
        return CS_OK;
    }
    gradients(B, weight * logit_scale / (cs_real)(2 * B), &w, dimage, dtext, threads);
    for (size_t owner = 0; owner < w.products.tiling.owners; owner++)
        out[1] += w.dscale[owner] / ((double)logit_scale * (double)logit_scale);
    CS_TRY(CS_TYPED(cs_l2norm_backward)(B, D, w.image.unit, w.image.norm, dimage, dimage));
    return CS_TYPED(cs_l2norm_backward)(B, D, w.text.unit, w.text.norm, dtext, dtext);
}
