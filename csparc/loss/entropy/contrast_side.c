#include "loss/entropy/contrast_side.h"

#include "base/real.h"

void
CS_TYPED(cs_contrast_side_layout)(size_t B, int positive, cs_arena *arena,
                                  CS_TYPED(cs_contrast_side) *side)
{
    CS_TYPED(cs_cross_entropies_layout)(B, arena, &side->rows);
    CS_TYPED(cs_matches_layout)(positive ? B : 0, arena, &side->matches);
}

void
CS_TYPED(cs_contrast_side_clear)(size_t B, const cs_groups *groups,
                                 const CS_TYPED(cs_contrast_side) *side)
{
    CS_TYPED(cs_log_sums_clear)(B, &side->rows.others);
    if (cs_groups_match(groups))
        CS_TYPED(cs_matches_clear)(B, &side->matches);
}

static int
is_contrasted(size_t i, const uint8_t *has_image, const uint8_t *has_caption)
{
    return (has_image == NULL || has_image[i]) && (has_caption == NULL || has_caption[i]);
}

double
CS_TYPED(cs_contrast_side_close)(size_t B, const cs_groups *groups, const cs_real *matching,
                                 const uint8_t *has_image, const uint8_t *has_caption,
                                 const CS_TYPED(cs_contrast_side) *side)
{
    double total = 0;
    int several = cs_groups_match(groups);
    for (size_t i = 0; i < B; i++) {
        if (!is_contrasted(i, has_image, has_caption)) {
            side->rows.lse[i] = -CS_MASKED;
            side->rows.share[i] = 0;
            if (several)
                CS_TYPED(cs_matches_skip)(&side->matches, i);
            continue;
        }
        cs_real loss = several ? CS_TYPED(cs_matches_close)(&side->matches, &side->rows, i)
                               : CS_TYPED(cs_cross_entropies_close)(&side->rows, i, matching[i]);
        total += (double)loss;
    }
    return total;
}
