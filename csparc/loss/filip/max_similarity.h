/* Late interaction, one direction: the score of two samples averages, over the queries of one, the
 * similarity of each with the most similar key of the other.
 *
 *   X_ij = mean over queries q of sample i of max over keys k of sample j of  qh . kh
 *   loss = 1/(2B) sum_i [ lse_j scale X_ij - scale X_ii ]
 *
 * qh, kh unit vectors. i runs over samples that have queries and keys of their own, j over samples
 * that have keys; ties of the maximum go to the lowest key. The softmaxes are over rows only, so a
 * block of samples (loss/entropy/tiling.h) is finished at once: scores against all B samples,
 * noting the winners, the keys that attain the maxima; the block's cross-entropies; then, with h =
 * dloss/dX_ij / (number of queries of i) and kh* the winner:  dqh += h kh*,  dkh* += h qh.
 *
 *   x (B,N,D), norm (B,N) lengths with 0 for dead rows, mask (B,N) or NULL: rows that take part
 *   groups: duplicates, which match too or are left out (loss/entropy/same_group.h)
 *   dx (B,N,D): gradient by unit vectors, added to; NULL on both sides for the loss alone
 *   out[0] loss, out[1] dloss/dscale, both added to
 *
 * Cost 2 BBD Q K FLOP for Q queries and K keys a sample, and 4 BBD Q for gradients. Scratch: the
 * queries of a block (about 1,568, or one sample) as columns, their winners (2 bytes a query and
 * sample), and for a thread a tile of at most max(128, N) keys, the best similarity of every query
 * to each of its samples, and 32 columns of the block's queries and their gradients. Samples of
 * more than 65,535 keys: CS_ESHAPE.
 */
#ifndef CS_FILIP_MAX_SIMILARITY_H
#define CS_FILIP_MAX_SIMILARITY_H

#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"

typedef struct {
    size_t N;
    const cs_real *x, *norm;
    const uint8_t *mask;
    cs_real *dx;
} CS_TYPED(cs_late_side);

size_t CS_TYPED(cs_late_scratch)(size_t B, size_t query_rows, size_t key_rows, size_t D,
                                 long long asked_rows, long long asked_columns, size_t threads);

cs_status CS_TYPED(cs_late)(size_t B, size_t D, const CS_TYPED(cs_late_side) *queries,
                            const CS_TYPED(cs_late_side) *keys, const cs_groups *groups,
                            cs_real scale, long long asked_rows, long long asked_columns,
                            double *out, size_t threads, void *scratch);

#endif
