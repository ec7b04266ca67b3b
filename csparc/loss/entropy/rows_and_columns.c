#include "loss/entropy/rows_and_columns.h"

#include "base/real.h"

void
CS_TYPED(cs_rows_and_columns_layout)(size_t B, const cs_tiling *tiling, int positive,
                                     cs_arena *arena, CS_TYPED(cs_rows_and_columns) *states)
{
    size_t owners = tiling->owners, matched = positive ? owners : 0;
    size_t rows = tiling->rows, columns = tiling->columns, both = cs_size_plus(rows, columns);
    states->B = B;
    states->tiling = *tiling;
    CS_TYPED(cs_contrast_side_layout)(B, positive, arena, &states->image);
    CS_TYPED(cs_contrast_side_layout)(B, positive, arena, &states->caption);
    states->matching = CS_TAKE(arena, cs_real, B);
    CS_TYPED(cs_log_sums_layout)(cs_size_times(owners, rows), arena, &states->owner_others);
    CS_TYPED(cs_log_sums_layout)(cs_size_times(owners, both), arena, &states->tile_others);
    CS_TYPED(cs_matches_layout)(cs_size_times(matched, rows), arena, &states->owner_matches);
    CS_TYPED(cs_matches_layout)(cs_size_times(matched, both), arena, &states->tile_matches);
    states->tile_scratch = CS_TAKE(arena, cs_real, matched, rows, columns);
}

void
CS_TYPED(cs_rows_and_columns_open)(const uint8_t *has_image, const uint8_t *has_caption,
                                   const cs_groups *groups,
                                   CS_TYPED(cs_rows_and_columns) *states)
{
    states->groups = groups;
    states->has_image = has_image;
    states->has_caption = has_caption;
    CS_TYPED(cs_contrast_side_clear)(states->B, groups, &states->image);
    CS_TYPED(cs_contrast_side_clear)(states->B, groups, &states->caption);
    for (size_t i = 0; i < states->B; i++)
        states->matching[i] = 0;
}

/* The owner's states of the block's rows. */
static CS_TYPED(cs_log_sums)
others_of_owner(const CS_TYPED(cs_rows_and_columns) *states, size_t owner)
{
    return CS_TYPED(cs_log_sums_from)(&states->owner_others, owner * states->tiling.rows);
}

static CS_TYPED(cs_matches)
matches_of_owner(const CS_TYPED(cs_rows_and_columns) *states, size_t owner)
{
    return CS_TYPED(cs_matches_from)(&states->owner_matches, owner * states->tiling.rows);
}

void
CS_TYPED(cs_rows_and_columns_begin)(CS_TYPED(cs_rows_and_columns) *states, size_t owner, size_t R)
{
    CS_TYPED(cs_log_sums) others = others_of_owner(states, owner);
    CS_TYPED(cs_log_sums_clear)(R, &others);
    if (cs_groups_match(states->groups)) {
        CS_TYPED(cs_matches) matches = matches_of_owner(states, owner);
        CS_TYPED(cs_matches_clear)(R, &matches);
    }
}

/* Note the scores on the diagonal, and mask those of samples without rows and of excluded pairs;
 * the diagonal too, unless it is among several matches. */
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
                               states->tile_scratch + owner * t->rows * t->columns, &rows,
                               &columns);
    CS_TYPED(cs_matches_merge)(R, &block, &rows);
    CS_TYPED(cs_matches_merge)(C, &captions, &columns);
}

void
CS_TYPED(cs_rows_and_columns_absorb)(CS_TYPED(cs_rows_and_columns) *states, size_t owner,
                                     size_t r0, size_t R, size_t c0, size_t C, cs_real *scores)
{
    const cs_tiling *t = &states->tiling;
    CS_TYPED(cs_log_sums)
    rows = CS_TYPED(cs_log_sums_from)(&states->tile_others, owner * (t->rows + t->columns)),
    columns = CS_TYPED(cs_log_sums_from)(&rows, t->rows), block = others_of_owner(states, owner),
    captions = CS_TYPED(cs_log_sums_from)(&states->caption.rows.others, c0);
    mask_tile(states, r0, R, c0, C, scores);
    if (cs_groups_match(states->groups))
        absorb_matches(states, owner, r0, R, c0, C, scores);
    CS_TYPED(cs_log_sums_of_tile)(R, C, scores, &rows, &columns);
    CS_TYPED(cs_log_sums_merge)(R, &block, &rows);
    CS_TYPED(cs_log_sums_merge)(C, &captions, &columns);
}

void
CS_TYPED(cs_rows_and_columns_merge)(CS_TYPED(cs_rows_and_columns) *states, size_t r0, size_t R)
{
    CS_TYPED(cs_log_sums)
    rows = CS_TYPED(cs_log_sums_from)(&states->image.rows.others, r0);
    for (size_t owner = 0; owner < states->tiling.owners; owner++) {
        CS_TYPED(cs_log_sums) part = others_of_owner(states, owner);
        CS_TYPED(cs_log_sums_merge)(R, &rows, &part);
    }
    for (size_t owner = 0; cs_groups_match(states->groups) && owner < states->tiling.owners;
         owner++) {
        CS_TYPED(cs_matches)
        matches = CS_TYPED(cs_matches_from)(&states->image.matches, r0),
        part = matches_of_owner(states, owner);
        CS_TYPED(cs_matches_merge)(R, &matches, &part);
    }
}

double
CS_TYPED(cs_rows_and_columns_close)(CS_TYPED(cs_rows_and_columns) *s)
{
    double rows = CS_TYPED(cs_contrast_side_close)(s->B, s->groups, s->matching, s->has_image,
                                                   s->has_caption, &s->image);
    double columns = CS_TYPED(cs_contrast_side_close)(s->B, s->groups, s->matching, s->has_image,
                                                      s->has_caption, &s->caption);
    return (rows + columns) / (2 * (double)s->B);
}

void
CS_TYPED(cs_rows_and_columns_gradient)(const CS_TYPED(cs_rows_and_columns) *states, size_t i,
                                       size_t c0, size_t C, cs_real weight, const cs_real *scores,
                                       cs_real *g)
{
    const cs_groups *groups = states->groups;
    const CS_TYPED(cs_contrast_side) *image = &states->image, *caption = &states->caption;
    int several = cs_groups_match(groups);
    weight /= (cs_real)(2 * states->B);
    CS_TYPED(cs_logit_kernels_in_use)()->tile_gradient(1, C, weight, scores, image->rows.lse + i,
                                                       caption->rows.lse + c0, g);
    if (several)
        CS_TYPED(cs_groups_gradient)(groups, i, c0, C, weight, &image->matches, image->rows.share,
                                     &caption->matches, caption->rows.share, scores, g);
    for (size_t k = 0; k < C; k++)
        if (!states->has_image[i] || !states->has_caption[c0 + k] ||
            (groups->id != NULL && !several && cs_same_group(groups, i, c0 + k)))
            g[k] = 0;
    if (!several && i >= c0 && i < c0 + C)
        g[i - c0] = -weight * (image->rows.share[i] + caption->rows.share[i]);
}
