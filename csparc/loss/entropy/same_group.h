/* Duplicates in losses that contrast all pairs of a batch: pairs with the same image, or with the
 * same caption, form a group and are masked out of each other's negatives, or are extra positives.
 *
 * Pairs i and j with the same id of at least 0 are of one group; a pair with a negative id is a
 * group by itself. G_i are the candidates of row i in its group, i among them, n of them. Columns
 * alike:
 *
 *   excluded   loss_i = lse_{i and j not in G_i} S_ij - S_ii
 *   positive   loss_i = lse_j S_ij - 1/n sum_{j in G_i} S_ij
 *                     = (m - mean) + softplus(o - m),  m = lse_{G_i} S_ij, o that of all others
 *
 * Kept apart from o, m leaves a confident row its digits (loss/entropy/logsumexp.h); n = 1 gives,
 * bit for bit, what a pair without duplicates has. The gradient of row i by S_ij in G_i is
 *   expm1(S_ij - m + ln n) / n - share exp(S_ij - m),  share = 1 / (1 + exp(m - o));
 * by an S_ij outside it is the softmax, and by an excluded one 0.
 *
 * Ids are compared inside tiles: nothing of size B x B. `id` NULL costs nothing.
 */
#ifndef CS_ENTROPY_SAME_GROUP_H
#define CS_ENTROPY_SAME_GROUP_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/logsumexp.h"

typedef struct {
    const int64_t *id; /* [B], or NULL: every pair a group by itself */
    int positive;      /* 1: the other pairs of a group match; 0: they are excluded */
} cs_groups;

static inline int
cs_same_group(const cs_groups *groups, size_t i, size_t j)
{
    return i == j || (groups->id[i] >= 0 && groups->id[i] == groups->id[j]);
}

/* Whether a row may have several matches. */
static inline int
cs_groups_match(const cs_groups *groups)
{
    return groups->id != NULL && groups->positive;
}

/* The matching entries of rows (columns): their log-sum's state, their sum and their number. Once
 * closed, sums.top is m. */
typedef struct {
    CS_TYPED(cs_log_sums) sums;
    cs_real *total, *count;
} CS_TYPED(cs_matches);

void CS_TYPED(cs_matches_layout)(size_t rows, cs_arena *arena, CS_TYPED(cs_matches) *matches);

/* The same, from row `first` on. */
CS_TYPED(cs_matches) CS_TYPED(cs_matches_from)(const CS_TYPED(cs_matches) *matches, size_t first);

void CS_TYPED(cs_matches_clear)(size_t rows, const CS_TYPED(cs_matches) *matches);

void CS_TYPED(cs_matches_merge)(size_t rows, const CS_TYPED(cs_matches) *matches,
                                const CS_TYPED(cs_matches) *other);

/* Tile of scores [R,C], images r0.., captions c0..: mask the other pairs of each group. */
void CS_TYPED(cs_groups_exclude)(const cs_groups *groups, size_t r0, size_t R, size_t c0, size_t C,
                                 cs_real *scores);

/* Move the matching entries of a tile, where they are masked, to the states of its rows and
 * columns; entries that are masked already are left out. scratch [R,C]. */
void CS_TYPED(cs_groups_absorb)(const cs_groups *groups, size_t r0, size_t R, size_t c0, size_t C,
                                cs_real *scores, cs_real *scratch,
                                const CS_TYPED(cs_matches) *rows,
                                const CS_TYPED(cs_matches) *columns);

/* Cross-entropy of row i of `rows`, in whose state all other entries are; sets lse and share. */
cs_real CS_TYPED(cs_matches_close)(const CS_TYPED(cs_matches) *matches,
                                   const CS_TYPED(cs_cross_entropies) *rows, size_t i);

/* Row i has no cross-entropy. */
void CS_TYPED(cs_matches_skip)(const CS_TYPED(cs_matches) *matches, size_t i);

/* Gradient of the cross-entropy of row i by its matching entry `score`. */
cs_real CS_TYPED(cs_matches_gradient)(const CS_TYPED(cs_matches) *matches, size_t i,
                                      cs_real share, cs_real score);

/* Write the gradients of the matching pairs of image i and captions c0 .. c0+C over what g [C]
 * holds in their places: `weight` times the sum of both sides'. image_share, caption_share [B]: the
 * shares of every row and column. */
void CS_TYPED(cs_groups_gradient)(const cs_groups *groups, size_t i, size_t c0, size_t C,
                                  cs_real weight, const CS_TYPED(cs_matches) *image,
                                  const cs_real *image_share, const CS_TYPED(cs_matches) *caption,
                                  const cs_real *caption_share, const cs_real *scores, cs_real *g);

#endif
