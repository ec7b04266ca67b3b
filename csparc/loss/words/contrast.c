#include "loss/words/contrast.h"

#include <string.h>

#include "base/blocks.h"
#include "base/real.h"
#include "loss/entropy/logsumexp.h"
#include "loss/kernels/widths.h"
#include "loss/kernels/words.h"

void
CS_TYPED(cs_word_contrast_layout)(size_t B, size_t L, size_t most_samples, size_t most_rows,
                                  cs_arena *arena, CS_TYPED(cs_word_contrast) *c)
{
    c->lanes = cs_whole_lanes(most_rows);
    c->has_image = CS_TAKE(arena, char, B);
    c->weight = CS_TAKE(arena, cs_real, B);
    c->scores = CS_TAKE(arena, cs_real, most_samples, c->lanes);
    c->lacked = CS_TAKE(arena, uint8_t, most_samples, c->lanes);
    c->column = CS_TAKE(arena, int64_t, most_rows);
    c->row_lse = CS_TAKE(arena, cs_real, c->lanes);
    c->row_weight = CS_TAKE(arena, cs_real, c->lanes);
    c->tokens = CS_TAKE(arena, cs_real, c->lanes);
    c->picture_lse = CS_TAKE(arena, cs_real, most_samples);
    c->picture_weight = CS_TAKE(arena, cs_real, most_samples);
    c->token_weight = CS_TAKE(arena, cs_real, B, L);
}

/* Whether caption i of the batch speaks of picture j. */
static int
speaks_of(const CS_TYPED(cs_word_contrast) *c, size_t i, size_t j)
{
    return c->has_image[j] &&
           (i == j || (cs_groups_match(c->groups) && cs_same_group(c->groups, i, j)));
}

/* Pictures of its set that caption i speaks of. */
static size_t
count_pictures(const CS_TYPED(cs_word_contrast) *c, size_t i, size_t begin, size_t end)
{
    size_t count = 0;
    if (!cs_groups_match(c->groups))
        return c->has_image[i];
    for (size_t q = begin; q < end; q++)
        count += (size_t)speaks_of(c, i, (size_t)c->sets.order[q]);
    return count;
}

void
CS_TYPED(cs_word_contrast_open)(const CS_TYPED(cs_word_contrast) *c)
{
    double tokens = 0;
    for (size_t s = 0; s < c->sets.count; s++) {
        size_t begin = (size_t)c->sets.start[s], end = (size_t)c->sets.start[s + 1];
        for (size_t q = begin; q < end; q++) {
            size_t i = (size_t)c->sets.order[q], pictures = count_pictures(c, i, begin, end);
            c->weight[i] = pictures == 0 ? 0 : 1 / (cs_real)pictures;
            for (size_t l = 0; pictures > 0 && l < c->L; l++)
                tokens += c->row[i * c->L + l] >= 0;
        }
    }
    for (size_t i = 0; i < c->B; i++)
        c->weight[i] = tokens > 0 ? c->weight[i] / (cs_real)tokens : 0;
}

/* Which rows picture q lacks, and the log-sum of these. */
static void
close_picture(CS_TYPED(cs_word_contrast) *c, size_t q)
{
    size_t j = CS_TYPED(cs_sample_at)(c, q);
    const uint8_t *lacks = c->lacks + j * c->W;
    uint8_t *lacked = c->lacked + q * c->lanes;
    memset(lacked, 0, c->lanes);
    if (c->has_image[j])
        for (size_t u = 0; u < c->rows; u++)
            lacked[u] = lacks[c->column[u]];
    c->picture_lse[q] = CS_TYPED(cs_word_kernels_in_use)()->log_sum(
        c->rows, c->scale, c->scores + q * c->lanes, lacked, c->tokens);
}

static void
close_rows(CS_TYPED(cs_word_contrast) *c, size_t u0)
{
    CS_TYPED(cs_word_kernels_in_use)()->log_sums_of_rows(
        c->n, cs_block_length(u0, CS_MOST_WORDS, c->rows), c->lanes, c->scale, c->scores + u0,
        c->lacked + u0, c->row_lse + u0);
}

CS_TYPED(cs_match)
CS_TYPED(cs_matches_of_picture)(const CS_TYPED(cs_word_contrast) *c, size_t q)
{
    CS_TYPED(cs_match) match = {.picture = q, .caption = q, .last = q + 1};
    if (cs_groups_match(c->groups)) {
        match.caption = 0;
        match.last = c->n;
    }
    return match;
}

int
CS_TYPED(cs_next_match)(const CS_TYPED(cs_word_contrast) *c, CS_TYPED(cs_match) *match)
{
    size_t j = CS_TYPED(cs_sample_at)(c, match->picture);
    for (; match->caption < match->last; match->caption++, match->l = 0) {
        size_t i = CS_TYPED(cs_sample_at)(c, match->caption);
        for (; speaks_of(c, i, j) && match->l < c->L; match->l++) {
            if (c->row[i * c->L + match->l] < 0)
                continue;
            match->token = i * c->L + match->l++;
            match->row = (size_t)c->row[match->token] - c->first_row;
            match->weight = c->weight[i];
            return 1;
        }
    }
    return 0;
}

/* Both halves of own, and of the loss where it is asked for. */
static cs_real
halves(const CS_TYPED(cs_word_contrast) *c, const CS_TYPED(cs_match) *match, cs_real *to_row,
       cs_real *to_picture)
{
    cs_real s = c->scale * c->scores[match->picture * c->lanes + match->row];
    cs_real half = match->weight / 2, row_share, picture_share;
    cs_real loss = cs_cross_entropy(c->row_lse[match->row], 1, s, &row_share) +
                   cs_cross_entropy(c->picture_lse[match->picture], 1, s, &picture_share);
    *to_row = half * row_share;
    *to_picture = half * picture_share;
    return half * loss;
}

cs_real
CS_TYPED(cs_match_own)(const CS_TYPED(cs_word_contrast) *c, const CS_TYPED(cs_match) *match)
{
    cs_real to_row, to_picture;
    (void)halves(c, match, &to_row, &to_picture);
    return to_row + to_picture;
}

/* m_u and the columns of `lacks`, and zeros where sums begin. */
static void
open_set(CS_TYPED(cs_word_contrast) *c)
{
    for (size_t u = 0; u < c->rows; u++)
        c->column[u] = c->word[c->word_of_row[c->first_row + u]];
    memset(c->tokens, 0, c->rows * sizeof(cs_real));
    memset(c->row_weight, 0, c->rows * sizeof(cs_real));
    memset(c->picture_weight, 0, c->n * sizeof(cs_real));
    for (size_t q = 0; q < c->n; q++) {
        size_t i = CS_TYPED(cs_sample_at)(c, q);
        for (size_t t = i * c->L; t < (i + 1) * c->L; t++) {
            c->token_weight[t] = 0;
            if (c->row[t] >= 0)
                c->tokens[(size_t)c->row[t] - c->first_row] += 1;
        }
    }
}

double
CS_TYPED(cs_word_contrast_close)(CS_TYPED(cs_word_contrast) *c)
{
    size_t strips = cs_ceil_divide(c->rows, CS_MOST_WORDS), entries = c->n * c->rows;
    double loss = 0;
    open_set(c);
    CS_EACH(q, c->n, cs_threads_for_entries(c->n, entries), close_picture(c, q));
    CS_EACH(strip, strips, cs_threads_for_entries(strips, entries),
            close_rows(c, strip * CS_MOST_WORDS));
    for (size_t q = 0; q < c->n; q++) {
        CS_TYPED(cs_match) match = CS_TYPED(cs_matches_of_picture)(c, q);
        while (CS_TYPED(cs_next_match)(c, &match)) {
            cs_real to_row, to_picture;
            loss += (double)halves(c, &match, &to_row, &to_picture);
            c->token_weight[match.token] += to_row;
            c->row_weight[match.row] += to_row;
            c->picture_weight[q] += to_picture;
        }
    }
    return loss;
}

double
CS_TYPED(cs_word_contrast_gradient)(const CS_TYPED(cs_word_contrast) *c, size_t q, size_t u0,
                                    size_t count, cs_real *to_row, cs_real *to_picture, cs_real *g)
{
    const cs_real *z = c->scores + q * c->lanes + u0;
    double along = 0;
    CS_TYPED(cs_match) match = CS_TYPED(cs_matches_of_picture)(c, q);
    CS_TYPED(cs_word_kernels_in_use)()->shares(
        count, c->scale, z, c->lacked + q * c->lanes + u0, c->row_lse + u0, c->picture_lse[q],
        c->picture_weight[q], to_row, to_picture);
    for (size_t k = 0; k < count; k++)
        g[k] = c->row_weight[u0 + k] * to_row[k] + c->tokens[u0 + k] * to_picture[k];
    while (CS_TYPED(cs_next_match)(c, &match))
        if (match.row >= u0 && match.row < u0 + count)
            g[match.row - u0] -= CS_TYPED(cs_match_own)(c, &match);
    for (size_t k = 0; k < count; k++)
        along += (double)(g[k] * z[k]);
    return along;
}
