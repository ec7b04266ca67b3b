/* The global loss of CLIP and SPARC: symmetric InfoNCE over a batch of pairs (equation 1).
 *
 *   U[i,j] = logit_scale vh_i . th_j                 vh, th unit vectors (op/l2norm.h)
 *   loss   = 1/(2B) sum_i [ lse_j U[i,j] - U[i,i] + lse_j U[j,i] - U[i,i] ]
 *   dU     = weight/(2B) (R + C - 2I)                R, C softmax of the rows, of the columns
 *
 * U is never stored: its tiles (loss/entropy/tiling.h) are formed once for the log-sums and once
 * more for the gradients of both sides. The log-sums of rows are merged tile by tile; up to 16
 * blocks of rows at a time leave the states of their columns in a table, merged in the order of the
 * blocks. Tiles depend on B alone: equal bits on any number of threads.
 *
 * N extra captions, which no image matches, enter the log-sums of the images alone: the first lse
 * runs over j and over them, the second does not (loss/clip/extra_texts.h).
 *
 *   image, text (B,D) in    logit_scale > 0    weight: factor of the gradients, not of the loss
 *   extra (N,D) in, NULL where N = 0
 *   groups: duplicates, which match too or are left out (loss/entropy/same_group.h)
 *   out[0] loss, out[1] weight dloss/dlogit_scale    dimage, dtext (B,D) written, or both NULL
 *   dextra (N,D) written beside them, or NULL
 *
 * Cost 2 B(B+N)D FLOP for the loss, 8 B(B+N)D with gradients. Scratch 3 BD + 43 B + 4096 D numbers
 * for large B; 72 B more where duplicates match (`positive`); 2 ND + N + 4096 D more for large N.
 * Numbers: a row confident of its match loses no digits (loss/entropy/logsumexp.h), and B = 1
 * without extra captions gives exactly 0. A zero vector is a neutral negative (logit 0) with
 * gradient 0.
 */
#ifndef CS_CLIP_INFONCE_H
#define CS_CLIP_INFONCE_H

#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"

size_t CS_TYPED(cs_contrastive_scratch)(size_t B, size_t N, size_t D, int positive,
                                        size_t threads);

cs_status CS_TYPED(cs_contrastive)(size_t B, size_t N, size_t D, const cs_real *image,
                                   const cs_real *text, const cs_real *extra,
                                   const cs_groups *groups, cs_real logit_scale, cs_real weight,
                                   double *out, cs_real *dimage, cs_real *dtext, cs_real *dextra,
                                   size_t threads, void *scratch);

#endif
