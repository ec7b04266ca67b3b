#include "loss/entropy/one_row.h"

#include "base/real.h"

/* What sample j is to row i. */
typedef enum { NOTHING, MATCH, OTHER } part;

static inline part
part_of(const cs_groups *groups, const size_t *key_count, size_t i, size_t j)
{
    if (i == j || key_count[j] == 0)
        return i == j ? MATCH : NOTHING;
    if (groups->id == NULL || !cs_same_group(groups, i, j))
        return OTHER;
    return groups->positive ? MATCH : NOTHING;
}

void
CS_TYPED(cs_contrast_row)(size_t B, size_t i, const size_t *key_count, const cs_groups *groups,
                          cs_real scale, cs_real factor, cs_real *score, double *out)
{
    cs_real top = CS_MASKED, sum = 0, share, own = score[i];
    cs_real match_top, match_sum, match_total, match_count;
    CS_TYPED(cs_matches) matches = {{&match_top, &match_sum}, &match_total, &match_count};
    CS_TYPED(cs_matches_clear)(1, &matches);
    for (size_t j = 0; j < B; j++) {
        cs_real x = scale * score[j];
        part is = part_of(groups, key_count, i, j);
        if (is == OTHER && !(x <= top)) /* a NaN becomes the largest and shows */
            top = x;
        if (is != MATCH)
            continue;
        cs_merge_states(&match_top, &match_sum, x, 1);
        match_total += x;
        match_count += 1;
    }
    for (size_t j = 0; j < B; j++)
        if (part_of(groups, key_count, i, j) == OTHER)
            sum += exp(scale * score[j] - top);
    match_top += log(match_sum);
    cs_real missed = cs_cross_entropy(top, sum, match_top, &share);
    double dscale = 0;
    for (size_t j = 0; j < B; j++) {
        part is = part_of(groups, key_count, i, j);
        cs_real x = scale * score[j], g = 0;
        if (is == MATCH)
            g = CS_TYPED(cs_matches_gradient)(&matches, 0, share, x) / (cs_real)(2 * B);
        else if (is == OTHER)
            g = exp(x - match_top - missed) / (cs_real)(2 * B);
        /* The g of a row sum to 0: differences keep the digits a sum of g X would cancel. */
        dscale += (double)(g * (score[j] - own));
        score[j] = factor * g;
    }
    missed += match_top - match_total / match_count;
    out[0] += (double)missed / (double)(2 * B);
    out[1] += dscale;
}
