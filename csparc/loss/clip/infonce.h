/* The global loss: symmetric InfoNCE over a batch of pairs (equation 1).
 *
 *   U[i,j] = logit_scale vh_i . th_j                 vh, th unit vectors (op/l2norm.h)
 *   loss   = 1/(2B) sum_i [ lse_j U[i,j] - U[i,i] + lse_j U[j,i] - U[i,i] ]
 *   dU     = weight/(2B) (R + C - 2I)                R, C softmax of the rows, of the columns
 *
 * U is never stored: tiles of it (loss/entropy/tiling.h) are formed once for the log-sums and once more for
 * the gradients of both sides. Row sums run online; up to 16 blocks of rows at a time leave a
 * (largest, sum) pair per column in a table, merged in block order. Tiles depend on B alone: equal
 * bits on any number of threads.
 *
 *   image, text (B,D) in    logit_scale > 0    weight: factor of the gradients, not of the loss
 *   groups: pairs that match, or take no part, besides those on the diagonal (loss/entropy/same_group.h)
 *   out[0] loss, out[1] weight dloss/dlogit_scale    dimage, dtext (B,D) written, or both NULL
 *
 * Cost 2 BBD FLOP for the loss, 8 BBD with gradients. Scratch 3 BD + 43 B + 4096 D numbers for
 * large B; 72 B more where pairs of a group match.
 * Numbers: the matching pair is kept out of the log-sum, so a confident row loses no digits and
 * B = 1 gives exactly 0. A zero vector is a neutral negative (logit 0) with gradient 0.
 */
#ifndef CS_CLIP_INFONCE_H
#define CS_CLIP_INFONCE_H

#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"

/* Cross-entropy of one row from the state (top, sum) of its other entries and the matching one:
 * lse - matching = softplus(lse_off - matching). *share = 1 - softmax of the matching entry. */
static inline cs_real
cs_excess(cs_real top, cs_real sum, cs_real matching, cs_real *share)
{
    cs_real x = top + log(sum) - matching;
    cs_real e = exp(-fabs(x));
    *share = x > 0 ? 1 / (1 + e) : e / (1 + e);
    return x > 0 ? x + log1p(e) : log1p(e);
}

/* (top, sum), largest entry and sum of exp(entry - top), absorbs another state. */
static inline void
cs_merge_states(cs_real *top, cs_real *sum, cs_real other_top, cs_real other_sum)
{
    if (other_top > *top) {
        *sum = *sum * exp(*top - other_top) + other_sum;
        *top = other_top;
    } else {
        *sum += other_sum * exp(other_top - *top);
    }
}

size_t CS_TYPED(cs_contrastive_scratch)(size_t B, size_t D, int positive, size_t threads);

cs_status CS_TYPED(cs_contrastive)(size_t B, size_t D, const cs_real *image, const cs_real *text,
                                   const cs_groups *groups, cs_real logit_scale, cs_real weight,
                                   double *out, cs_real *dimage, cs_real *dtext, size_t threads,
                                   void *scratch);

#endif
