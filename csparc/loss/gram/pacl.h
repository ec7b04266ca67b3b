/* PACL: patches weighted by their similarity to a caption, for every pair of the batch.
 *
 * Image i with patches v_k, caption j with unit vector th:
 *   x_k = v_k . th,  cos_k = x_k / |v_k|,  a = softmax_k(weight_scale cos), or each one's sigmoid
 *   w = sum_k a_k v_k,  phi_ij = w . th / |w|          (renormalize; else phi_ij = w . th)
 *   loss = SYM(logit_scale phi)                         loss/entropy/rows_and_columns.h
 * `unit_pool`: w of unit patches instead.
 *
 * w is not formed, but where its patches nearly cancel (loss/gram/short_sums.h): with G = V V^T of
 * the image, |w|^2 = q = a^T G a, w . th = y = sum a x. For h = dloss/dphi: e = h / sqrt(q),
 * f = -h phi / 2q, da = e x + 2 f G a, du = a da (the gradient by weight_scale cos; sums to 0 over
 * k), and the matrix W = e a + weight_scale du / |v| carries both dth = W^T V and dV = W th;
 * besides, dG += f a a^T, and the gradient along v_k is taken out (loss/gram/packed_images.h).
 *
 *   patches (B,P,D), text (B,D) in; patch_valid (B,P) or NULL; groups: duplicates
 *     (loss/entropy/same_group.h)
 *   out[0] loss, out[1] dloss/dlogit_scale, out[2] dloss/dweight_scale
 *   dpatches (B,P,D), dtext (B,D) written, or both NULL; asked_*: 0 for the usual tile
 *
 * An image without valid patches is neither positive nor negative; its caption remains a negative
 * of the other images. |w| <= 1e-12: phi = 0 and no gradient.
 *
 * Cost 2 BBPD + 2 BBPP FLOP for the loss, 8 BBPD + 5 BBPP with gradients (half of the
 * symmetric dG), and about BPPD for the Gram matrices each pass; 2 PD more for a pair whose patches
 * nearly cancel, each time it is formed (loss/gram/short_sums.h). Scratch: a few images with their
 * partial gradients (loss/gram/packed_images.h), one tile [P, 128] x 4 a thread, BD numbers for th.
 * Numbers: an image is scaled by a power of two to entries of at most 1; q is kept at or above y^2.
 */
#ifndef CS_GRAM_PACL_H
#define CS_GRAM_PACL_H

#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"

typedef struct {
    double logit_scale, weight_scale;
    int sigmoid, unit_pool, renormalize;
    long long asked_rows, asked_columns;
} cs_pacl_options;

size_t CS_TYPED(cs_pacl_scratch)(size_t B, size_t P, size_t D, long long asked_rows,
                                 long long asked_columns, int gradients, int positive,
                                 size_t threads);

cs_status CS_TYPED(cs_pacl)(size_t B, size_t P, size_t D, const cs_real *patches,
                            const cs_real *text, const uint8_t *patch_valid,
                            const cs_groups *groups, const cs_pacl_options *options, double *out,
                            cs_real *dpatches, cs_real *dtext, size_t threads, void *scratch);

#endif
