/* Prototype alignment of MGCA: images and captions are assigned to prototypes, and each of a pair
 * predicts the assignment of the other.
 *
 *   zv = vh C^T, zt = th C^T [B,K]       vh, th unit vectors, C [K,D] prototypes as given
 *   qv = sinkhorn(zv), qt = sinkhorn(zt) targets, constants of the gradient
 *   loss = -1/(2B) sum_ik [ qv_ik ln softmax_k(scale zt_i)_k + qt_ik ln softmax_k(scale zv_i)_k ]
 *
 * sinkhorn: exp(z / 0.05), of which three times first the columns (prototypes), then the rows
 * (samples) are scaled to equal sums; at last rows sum to 1. What is kept is exp((z - max_k z) /
 * 0.05) with a factor per prototype and one per sample, or, where scores differ by more than 4
 * (prototypes far from length 1), the logarithms of these factors.
 *
 *   image, text (B,D), prototypes (K,D) in, rows of C expected of length 1
 *   weight: factor of the gradients, not of the loss
 *   image_targets, text_targets (B,K) out: qv, qt    out[0] loss, out[1] dloss/dscale
 *   dimage, dtext (B,D), dprototypes (K,D) written, or all NULL
 *
 * Cost 4 BKD FLOP, 12 BKD with gradients. Scratch 2 BD + 2 BK numbers. A zero vector has z = 0 and
 * gradient 0. K = 0 or B = 0 gives 0.
 */
#ifndef CS_MGCA_PROTOTYPES_H
#define CS_MGCA_PROTOTYPES_H

#include "base/real.h"
#include "csparc.h"

typedef struct {
    const cs_real *image, *text, *prototypes;
    cs_real scale, weight;
} CS_TYPED(cs_prototypes_input);

typedef struct {
    cs_real *image_targets, *text_targets, *dimage, *dtext, *dprototypes;
} CS_TYPED(cs_prototypes_output);

size_t CS_TYPED(cs_prototypes_scratch)(size_t B, size_t K, size_t D);

cs_status CS_TYPED(cs_prototypes)(size_t B, size_t K, size_t D,
                                  const CS_TYPED(cs_prototypes_input) *in,
                                  const CS_TYPED(cs_prototypes_output) *to, double *out,
                                  void *scratch);

#endif
