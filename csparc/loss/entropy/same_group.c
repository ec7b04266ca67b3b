#include "loss/entropy/same_group.h"

#include "base/real.h"

void
CS_TYPED(cs_matches_layout)(size_t rows, cs_arena *arena, CS_TYPED(cs_matches) *matches)
{
    CS_TYPED(cs_log_sums_layout)(rows, arena, &matches->sums);
    matches->total = CS_TAKE(arena, cs_real, rows);
    matches->count = CS_TAKE(arena, cs_real, rows);
}

CS_TYPED(cs_matches)
CS_TYPED(cs_matches_from)(const CS_TYPED(cs_matches) *m, size_t first)
{
    CS_TYPED(cs_matches)
    rest = {CS_TYPED(cs_log_sums_from)(&m->sums, first), m->total + first, m->count + first};
    return rest;
}

void
CS_TYPED(cs_matches_clear)(size_t rows, const CS_TYPED(cs_matches) *m)
{
    CS_TYPED(cs_log_sums_clear)(rows, &m->sums);
    for (size_t i = 0; i < rows; i++)
        m->total[i] = m->count[i] = 0;
}

void
CS_TYPED(cs_matches_merge)(size_t rows, const CS_TYPED(cs_matches) *m,
                           const CS_TYPED(cs_matches) *other)
{
    for (size_t i = 0; i < rows; i++) {
        if (other->count[i] == 0)
            continue;
        cs_merge_states(&m->sums.top[i], &m->sums.sum[i], other->sums.top[i], other->sums.sum[i]);
        m->total[i] += other->total[i];
        m->count[i] += other->count[i];
    }
}

void
CS_TYPED(cs_groups_exclude)(const cs_groups *groups, size_t r0, size_t R, size_t c0, size_t C,
                            cs_real *scores)
{
    for (size_t r = 0; r < R; r++) {
        int64_t id = groups->id[r0 + r];
        const int64_t *ids = groups->id + c0;
        cs_real *row = scores + r * C;
        if (id < 0)
            continue;
        for (size_t k = 0; k < C; k++)
            if (ids[k] == id && r0 + r != c0 + k)
                row[k] = CS_MASKED;
    }
}

/* Whether a tile holds any matching pair. */
static int
holds_any(const cs_groups *groups, size_t r0, size_t R, size_t c0, size_t C)
{
    int found = r0 < c0 + C && c0 < r0 + R;
    for (size_t r = 0; r < R && !found; r++) {
        int64_t id = groups->id[r0 + r];
        for (size_t k = 0; k < C; k++)
            found |= id >= 0 && groups->id[c0 + k] == id;
    }
    return found;
}

void
CS_TYPED(cs_groups_absorb)(const cs_groups *groups, size_t r0, size_t R, size_t c0, size_t C,
                           cs_real *scores, cs_real *scratch, const CS_TYPED(cs_matches) *rows,
                           const CS_TYPED(cs_matches) *columns)
{
    CS_TYPED(cs_matches_clear)(R, rows);
    CS_TYPED(cs_matches_clear)(C, columns);
    if (!holds_any(groups, r0, R, c0, C))
        return;
    for (size_t r = 0; r < R; r++)
        for (size_t k = 0; k < C; k++) {
            cs_real *score = scores + r * C + k;
            scratch[r * C + k] = CS_MASKED;
            if (!cs_same_group(groups, r0 + r, c0 + k) || *score == CS_MASKED)
                continue;
            rows->total[r] += *score;
            columns->total[k] += *score;
            rows->count[r] += 1;
            columns->count[k] += 1;
            scratch[r * C + k] = *score;
            *score = CS_MASKED;
        }
    CS_TYPED(cs_log_sums_of_tile)(R, C, scratch, &rows->sums, &columns->sums);
}

cs_real
CS_TYPED(cs_matches_close)(const CS_TYPED(cs_matches) *m,
                           const CS_TYPED(cs_cross_entropies) *rows, size_t i)
{
    cs_real log_sum = m->sums.top[i] + log(m->sums.sum[i]);
    cs_real missed = CS_TYPED(cs_cross_entropies_close)(rows, i, log_sum);
    m->sums.top[i] = log_sum;
    return log_sum - m->total[i] / m->count[i] + missed;
}

void
CS_TYPED(cs_matches_skip)(const CS_TYPED(cs_matches) *m, size_t i)
{
    m->count[i] = 0;
}

cs_real
CS_TYPED(cs_matches_gradient)(const CS_TYPED(cs_matches) *m, size_t i, cs_real share,
                              cs_real score)
{
    cs_real x = score - m->sums.top[i], n = m->count[i];
    return n == 0 ? 0 : expm1(x + log(n)) / n - share * exp(x);
}

void
CS_TYPED(cs_groups_gradient)(const cs_groups *groups, size_t i, size_t c0, size_t C,
                             cs_real weight, const CS_TYPED(cs_matches) *image,
                             const cs_real *image_share, const CS_TYPED(cs_matches) *caption,
                             const cs_real *caption_share, const cs_real *scores, cs_real *g)
{
    for (size_t k = 0; k < C; k++) {
        size_t j = c0 + k;
        if (!cs_same_group(groups, i, j))
            continue;
        cs_real row = CS_TYPED(cs_matches_gradient)(image, i, image_share[i], scores[k]);
        cs_real column = CS_TYPED(cs_matches_gradient)(caption, j, caption_share[j], scores[k]);
        g[k] = weight * (row + column);
    }
}
