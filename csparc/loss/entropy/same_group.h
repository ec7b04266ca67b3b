/* Pairs of a batch that show or say the same, in losses that contrast all pairs.
 *
 * Pairs i and j with the same id of at least 0 are of one group; a pair with a negative id is in no
 * other's. G_i are the candidates of row i in its group, i among them, n of them. Columns alike:
 *
 *   excluded   loss_i = lse_{i and j not in G_i} S_ij - S_ii
 *   positive   loss_i = lse_j S_ij - 1/n sum_{j in G_i} S_ij
 *                     = (m - mean) + softplus(o - m),  m = lse_{G_i} S_ij, o that of all others
 *
 * With what lies outside kept apart from m, a confident row keeps its digits; n = 1 gives, bit for
 * bit, what a pair without a group has. The gradient of the row by S_ij in G_i is
 *   expm1(S_ij - m + ln n) / n - share exp(S_ij - m),  share = 1 / (1 + exp(m - o));
 * outside it is the softmax, and an excluded pair has none.
 *
 * Ids are compared inside tiles: nothing of size B x B. `id` NULL costs nothing.
 */
#ifndef CS_ENTROPY_SAME_GROUP_H
#define CS_ENTROPY_SAME_GROUP_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"

typedef struct {
    const int64_t *id; /* [B], or NULL: every pair by itself */
    int positive;      /* other pairs of a group match; 0: they take no part */
} cs_groups;

static inline int
cs_same_group(const cs_groups *groups, size_t i, size_t j)
{
    return i == j || (groups->id[i] >= 0 && groups->id[i] == groups->id[j]);
}

static inline int
cs_groups_match(const cs_groups *groups)
{
    return groups->id != NULL && groups->positive;
}

/* What is known of the matching entries of rows (columns): largest, sum of exp(entry - largest),
 * sum and number of entries. Once closed, `top` holds their log-sum m. */
typedef struct {
    cs_real *top, *sum, *total, *count;
} CS_TYPED(cs_matches);

void CS_TYPED(cs_matches_layout)(size_t rows, cs_arena *arena, CS_TYPED(cs_matches) *matches);

/* The same, from entry `first` on. */
CS_TYPED(cs_matches) CS_TYPED(cs_matches_from)(const CS_TYPED(cs_matches) *matches, size_t first);

void CS_TYPED(cs_matches_clear)(size_t rows, const CS_TYPED(cs_matches) *matches);

void CS_TYPED(cs_matches_merge)(size_t rows, const CS_TYPED(cs_matches) *matches,
                                const CS_TYPED(cs_matches) *other);

/* Tile of scores [R,C], images r0.., captions c0..: mask the other pairs of each group. */
void CS_TYPED(cs_groups_exclude)(const cs_groups *groups, size_t r0, size_t R, size_t c0, size_t C,
                                 cs_real *scores);

/* Move the pairs of each group from a tile, where they are masked, to the states of its rows and
 * columns; masked ones take no part. room [R,C]. */
void CS_TYPED(cs_groups_absorb)(const cs_groups *groups, size_t r0, size_t R, size_t c0, size_t C,
                                cs_real *scores, cs_real *room,
                                const CS_TYPED(cs_matches) *rows,
                                const CS_TYPED(cs_matches) *columns);

/* Cross-entropy of row i, whose other entries have the state (top, sum). Sets *share, and *lse of
 * the whole row. */
cs_real CS_TYPED(cs_matches_close)(const CS_TYPED(cs_matches) *matches, size_t i, cs_real top,
                                   cs_real sum, cs_real *share, cs_real *lse);

/* Row i has no cross-entropy. */
void CS_TYPED(cs_matches_skip)(const CS_TYPED(cs_matches) *matches, size_t i);

/* Gradient of row i by the matching entry `score`. */
cs_real CS_TYPED(cs_matches_gradient)(const CS_TYPED(cs_matches) *matches, size_t i,
                                      cs_real share, cs_real score);

/* Put the gradients of matching pairs, image i and captions c0 .. c0+C, in place: g = weight times
 * the sum of both sides'. image_share, caption_share [B]: *share of every row and column. */
void CS_TYPED(cs_groups_gradient)(const cs_groups *groups, size_t i, size_t c0, size_t C,
                                  cs_real weight, const CS_TYPED(cs_matches) *image,
                                  const cs_real *image_share, const CS_TYPED(cs_matches) *caption,
                                  const cs_real *caption_share, const cs_real *scores, cs_real *g);

#endif
