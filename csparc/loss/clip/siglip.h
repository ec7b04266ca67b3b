/* SigLIP: for every image and every caption of the batch a decision of its own, whether they match.
 *
 *   u[i,j] = logit_scale vh_i . th_j + logit_bias         vh, th unit vectors (op/l2norm.h)
 *   loss   = 1/B sum_ij softplus(-z_ij u_ij)              z = 1 on the diagonal, -1 elsewhere
 *   g = dloss/du = (sigmoid(u) - I) / B,  dvh = logit_scale g th,  dth = logit_scale g^T vh
 *
 * No normaliser couples the pairs, so value and gradient come from one pass over tiles
 * (loss/entropy/tiling.h; asked_rows, asked_columns: 0 for the usual tile). Equal bits on any
 * number of threads.
 *
 * N extra captions, which no image matches, are B x N more pairs with z = -1; the loss stays
 * divided by B (loss/clip/extra_texts.h).
 *
 *   image, text (B,D) in    logit_scale > 0    extra (N,D) in, NULL where N = 0
 *   groups: duplicates, with z = 1 or without a term (loss/entropy/same_group.h)
 *   out[0] loss, out[1] dloss/dlogit_scale, out[2] dloss/dlogit_bias
 *   dimage, dtext (B,D) written, or both NULL; dextra (N,D) written beside them, or NULL
 *
 * Cost 2 B(B+N)D FLOP, 6 B(B+N)D with gradients. Scratch 3 BD + 16 x 256 D numbers and two tiles a
 * thread, three where duplicates match (`positive`); 2 ND + N + 16 x 256 D more for large N.
 * Numbers: a confident decision keeps its digits (softplus and sigmoid of the signed logit). A zero
 * vector has cosine 0 with everything and gradient 0.
 */
#ifndef CS_CLIP_SIGLIP_H
#define CS_CLIP_SIGLIP_H

#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"

size_t CS_TYPED(cs_siglip_scratch)(size_t B, size_t N, size_t D, int positive,
                                   long long asked_rows, long long asked_columns, size_t threads);

cs_status CS_TYPED(cs_siglip)(size_t B, size_t N, size_t D, const cs_real *image,
                              const cs_real *text, const cs_real *extra, const cs_groups *groups,
                              cs_real logit_scale, cs_real logit_bias, long long asked_rows,
                              long long asked_columns, double *out, cs_real *dimage,
                              cs_real *dtext, cs_real *dextra, size_t threads, void *scratch);

#endif
