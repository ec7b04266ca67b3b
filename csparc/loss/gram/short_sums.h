/* Weighted sums of an image's patches that nearly cancel, formed themselves.
 *
 * The losses over all pairs read the length of c = sum_p a_p v_p off the Gram matrix,
 * |c|^2 = a G a, whose rounding is that of its largest terms: relative to |c|^2 it grows with
 * 1 / ratio^2, ratio = |c| / sum_p a_p |v_p|. Where the ratio is below CS_SHORT_SUM, |c| and c . th
 * are taken from c itself, with an error that grows with 1 / ratio, as that of the weights does.
 * Sums of patches that point every which way have a ratio of about 1 / sqrt(P), so that only
 * patches without a common part are concerned: centred ones under even weights.
 *
 * Cost 2 PD FLOP for every such sum, each time a pair is formed, which is twice with gradients.
 */
#ifndef CS_GRAM_SHORT_SUMS_H
#define CS_GRAM_SHORT_SUMS_H

#include "base/real.h"
#include "loss/gram/packed_images.h"

#define CS_SHORT_SUM ((cs_real)0.01)

/* Sums formed at a time. */
enum { CS_SUMS_AT_ONCE = 16 };

/* Image r of the block and `count` words with unit vectors th [count,D]; a [P,lanes], weights of
 * the patches, not negative, a word's adding up to at most `most`. y_k = c_k . th_k and
 * norm_k = |c_k|, of rows as packed, are replaced where the sum is short.
 * sums [CS_SUMS_AT_ONCE,D] scratch. */
void CS_TYPED(cs_short_sums)(const CS_TYPED(cs_image_block) *block, size_t r, size_t count,
                             size_t lanes, cs_real most, const cs_real *a, const cs_real *th,
                             cs_real *y, cs_real *norm, cs_real *sums);

#endif
