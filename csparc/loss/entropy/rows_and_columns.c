#include "loss/entropy/rows_and_columns.h"

#include "base/real.h"
#include "loss/clip/infonce.h"
#include "loss/kernels/sparc.h"

static void
layout_side(size_t B, int positive, cs_arena *arena, CS_TYPED(cs_entropy_side) *side)
{
    side->top = cs_arena_take(arena, B * sizeof(cs_real));
    side->sum = cs_arena_take(arena, B * sizeof(cs_real));
    side->lse = cs_arena_take(arena, B * sizeof(cs_real));
    side->share = cs_arena_take(arena, B * sizeof(cs_real));
    CS_TYPED(cs_matches_layout)(positive ? B : 0, arena, &side->matches);
}

static size_t
room_of_owner(const cs_tiling *t)
{
    return 2 * (t->rows + t->columns);
}

void
CS_TYPED(cs_rows_and_columns_layout)(size_t B, const cs_tiling *tiling, int positive,
                                cs_arena *arena, CS_TYPED(cs_rows_and_columns) *states)
{
    size_t owners = tiling->owners, matched = positive ? owners : 0;
    states->B = B;
    states->tiling = *tiling;
    layout_side(B, positive, arena, &states->image);
    layout_side(B, positive, arena, &states->caption);
    states->matching = cs_arena_take(arena, B * sizeof(cs_real));
    states->owner_top = cs_arena_take(arena, owners * tiling->rows * sizeof(cs_real));
    states->owner_sum = cs_arena_take(arena, owners * tiling->rows * sizeof(cs_real));
    states->room = cs_arena_take(arena, owners * room_of_owner(tiling) * sizeof(cs_real));
    CS_TYPED(cs_matches_layout)(matched * tiling->rows, arena, &states->owner_matches);
    CS_TYPED(cs_matches_layout)
    (matched * (tiling->rows + tiling->columns), arena, &states->tile_matches);
    states->tile_room =
        cs_arena_take(arena, matched * tiling->rows * tiling->columns * sizeof(cs_real));
}

void
CS_TYPED(cs_rows_and_columns_open)(const uint8_t *has_image, const uint8_t *has_caption,
                              const cs_groups *groups, CS_TYPED(cs_rows_and_columns) *states)
{
    states->groups = groups;
    states->has_image = has_image;
    states->has_caption = has_caption;
    for (size_t i = 0; i < states->B; i++) {
        states->image.top[i] = states->caption.top[i] = CS_MASKED;
        states->image.sum[i] = states->caption.sum[i] = 0;
        states->matching[i] = 0;
    }
    if (cs_groups_match(groups)) {
        CS_TYPED(cs_matches_clear)(states->B, &states->image.matches);
        CS_TYPED(cs_matches_clear)(states->B, &states->caption.matches);
    }
}

/* The owner's part of the block's states of matches. */
static CS_TYPED(cs_matches)
matches_of_owner(const CS_TYPED(cs_rows_and_columns) *states, size_t owner)
{
    return CS_TYPED(cs_matches_from)(&states->owner_matches, owner * states->tiling.rows);
}

void
CS_TYPED(cs_rows_and_columns_begin)(CS_TYPED(cs_rows_and_columns) *states, size_t owner, size_t R)
{
    for (size_t r = 0; r < R; r++) {
        states->owner_top[owner * states->tiling.rows + r] = CS_MASKED;
        states->owner_sum[owner * states->tiling.rows + r] = 0;
    }
    if (cs_groups_match(states->groups)) {
        CS_TYPED(cs_matches) matches = matches_of_owner(states, owner);
        CS_TYPED(cs_matches_clear)(R, &matches);
    }
}

/* Note the pairs on the diagonal, and mask what has no rows, and what of a group takes no part; the
 * diagonal too, unless it is among several matches. */
static void
mask_tile(CS_TYPED(cs_rows_and_columns) *states, size_t r0, size_t R, size_t c0, size_t C,
          cs_real *scores)
{
    int several = cs_groups_match(states->groups);
    for (size_t r = 0; r < R; r++) {
        cs_real *row = scores + r * C;
        size_t i = r0 + r;
        if (i >= c0 && i < c0 + C) {
            states->matching[i] = row[i - c0];
            row[i - c0] = several ? row[i - c0] : CS_MASKED;
        }
        for (size_t k = 0; k < C; k++)
            if (!states->has_image[i] || !states->has_caption[c0 + k])
                row[k] = CS_MASKED;
    }
    if (states->groups->id != NULL && !several)
        CS_TYPED(cs_groups_exclude)(states->groups, r0, R, c0, C, scores);
}

/* Move the matches of a tile to their states. */
static void
absorb_matches(CS_TYPED(cs_rows_and_columns) *states, size_t owner, size_t r0, size_t R, size_t c0,
               size_t C, cs_real *scores)
{
    const cs_tiling *t = &states->tiling;
    CS_TYPED(cs_matches)
    rows = CS_TYPED(cs_matches_from)(&states->tile_matches, owner * (t->rows + t->columns)),
    columns = CS_TYPED(cs_matches_from)(&rows, t->rows), block = matches_of_owner(states, owner),
    captions = CS_TYPED(cs_matches_from)(&states->caption.matches, c0);
    CS_TYPED(cs_groups_absorb)(states->groups, r0, R, c0, C, scores,
                               states->tile_room + owner * t->rows * t->columns, &rows, &columns);
    CS_TYPED(cs_matches_merge)(R, &block, &rows);
    CS_TYPED(cs_matches_merge)(C, &captions, &columns);
}

void
CS_TYPED(cs_rows_and_columns_absorb)(CS_TYPED(cs_rows_and_columns) *states, size_t owner, size_t r0,
                                size_t R, size_t c0, size_t C, cs_real *scores)
{
    const cs_tiling *t = &states->tiling;
    cs_real *row_top = states->room + owner * room_of_owner(t), *row_sum = row_top + t->rows;
    cs_real *column_top = row_sum + t->rows, *column_sum = column_top + t->columns;
    cs_real *own_top = states->owner_top + owner * t->rows;
    cs_real *own_sum = states->owner_sum + owner * t->rows;
    mask_tile(states, r0, R, c0, C, scores);
    if (cs_groups_match(states->groups))
        absorb_matches(states, owner, r0, R, c0, C, scores);
    CS_TYPED(cs_loss_kernels_in_use)()->tile_states(R, C, scores, row_top, row_sum, column_top,
                                                    column_sum);
    for (size_t r = 0; r < R; r++)
        cs_merge_states(&own_top[r], &own_sum[r], row_top[r], row_sum[r]);
    for (size_t k = 0; k < C; k++)
        cs_merge_states(&states->caption.top[c0 + k], &states->caption.sum[c0 + k], column_top[k],
              column_sum[k]);
}

void
CS_TYPED(cs_rows_and_columns_merge)(CS_TYPED(cs_rows_and_columns) *states, size_t r0, size_t R)
{
    const cs_tiling *t = &states->tiling;
    for (size_t r = 0; r < R; r++)
        for (size_t owner = 0; owner < t->owners; owner++)
            cs_merge_states(&states->image.top[r0 + r], &states->image.sum[r0 + r],
                  states->owner_top[owner * t->rows + r], states->owner_sum[owner * t->rows + r]);
    for (size_t owner = 0; cs_groups_match(states->groups) && owner < t->owners; owner++) {
        CS_TYPED(cs_matches)
        block = CS_TYPED(cs_matches_from)(&states->image.matches, r0),
        part = matches_of_owner(states, owner);
        CS_TYPED(cs_matches_merge)(R, &block, &part);
    }
}

/* Sum of one side's cross-entropies. A row that is not to be contrasted gets an infinite log-sum:
 * its softmax is 0. */
static double
close_side(const CS_TYPED(cs_rows_and_columns) *states, CS_TYPED(cs_entropy_side) *side)
{
    double total = 0;
    int several = cs_groups_match(states->groups);
    for (size_t i = 0; i < states->B; i++) {
        side->lse[i] = -CS_MASKED;
        side->share[i] = 0;
        if (!states->has_image[i] || !states->has_caption[i]) {
            if (several)
                CS_TYPED(cs_matches_skip)(&side->matches, i);
            continue;
        }
        if (several) {
            total += (double)CS_TYPED(cs_matches_close)(&side->matches, i, side->top[i],
                                                        side->sum[i], &side->share[i],
                                                        &side->lse[i]);
            continue;
        }
        cs_real own = states->matching[i];
        cs_real excess = cs_excess(side->top[i], side->sum[i], own, &side->share[i]);
        side->lse[i] = own + excess;
        total += (double)excess;
    }
    return total;
}

double
CS_TYPED(cs_rows_and_columns_close)(CS_TYPED(cs_rows_and_columns) *states)
{
    double rows = close_side(states, &states->image);
    double columns = close_side(states, &states->caption);
    return (rows + columns) / (2 * (double)states->B);
}

void
CS_TYPED(cs_rows_and_columns_gradient)(const CS_TYPED(cs_rows_and_columns) *states, size_t i, size_t c0,
                                  size_t C, cs_real weight, const cs_real *scores, cs_real *g)
{
    const cs_groups *groups = states->groups;
    int several = cs_groups_match(groups);
    weight /= (cs_real)(2 * states->B);
    CS_TYPED(cs_loss_kernels_in_use)()->tile_gradient(1, C, weight, scores, states->image.lse + i,
                                                      states->caption.lse + c0, g);
    if (several)
        CS_TYPED(cs_groups_gradient)(groups, i, c0, C, weight, &states->image.matches,
                                     states->image.share, &states->caption.matches,
                                     states->caption.share, scores, g);
    for (size_t k = 0; k < C; k++)
        if (!states->has_image[i] || !states->has_caption[c0 + k] ||
            (groups->id != NULL && !several && cs_same_group(groups, i, c0 + k)))
            g[k] = 0;
    if (!several && i >= c0 && i < c0 + C)
        g[i - c0] = -weight * (states->image.share[i] + states->caption.share[i]);
}
