/* The local loss of GLoRIA: each word attends to the patches of an image, for every pair.
 *
 * Image i with patches v_p, caption j with words t_r (raw vectors; loss/gram/word_attention.h):
 *   A_rp = softmax_p(attention_scale t_r . v_p / sqrt(D)),  c_r = sum_p A_rp v_p,
 *   z_ij = 1/pool_scale ln sum_r exp(pool_scale cos(t_r, c_r)),
 *   loss = SYM(logit_scale z)                                loss/entropy/rows_and_columns.h
 * words_first: a softmax over the words of the caption comes before that over patches. mean: z less
 * the logarithm of the number of words, a mean in place of the sum. divide = 0: without
 * 1/pool_scale.
 *
 *   patches (B,P,D), tokens (B,L,D) in; patch_valid (B,P), text_valid (B,L) or NULL
 *   groups: duplicates (loss/entropy/same_group.h)
 *   weight: factor of the gradients, not of the loss
 *   out[0] loss, out[1..3] gradients of attention_scale, pool_scale, logit_scale
 *   dpatches (B,P,D), dtokens (B,L,D) written, or both NULL; asked_*: 0 for the usual tile
 *
 * A caption without words and an image without patches are neither positives nor negatives; the
 * denominator stays B. A dead t_r or c_r has cosine 0, counts in the sum, and has no gradient.
 *
 * Cost per pair 2 LPD + 2 LPP FLOP for the loss, 8 LPD + 5 LPP with gradients, of valid rows
 * (half of the symmetric dG); 2 PD more for a word whose patches nearly cancel, each time its pair
 * is formed (loss/gram/short_sums.h).
 * Scratch: a few images with their partial gradients (loss/gram/packed_images.h), one tile of at
 * most max(128, L) words a thread; nothing of size B x B. Numbers: attention multiplies differences
 * of similarities only, so no scale overflows it; images are scaled by a power of two.
 */
#ifndef CS_GRAM_GLORIA_H
#define CS_GRAM_GLORIA_H

#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"
#include "loss/gram/word_attention.h"

typedef struct {
    cs_word_options words;
    double logit_scale, weight;
    long long asked_rows, asked_columns;
} cs_gloria_options;

typedef struct {
    const cs_real *patches, *tokens;
    const uint8_t *patch_valid, *text_valid;
    cs_groups groups;
} CS_TYPED(cs_gloria_input);

size_t CS_TYPED(cs_gloria_scratch)(size_t B, size_t P, size_t L, size_t D, long long asked_rows,
                                   long long asked_columns, int gradients, int positive,
                                   size_t threads);

cs_status CS_TYPED(cs_gloria)(size_t B, size_t P, size_t L, size_t D,
                              const CS_TYPED(cs_gloria_input) *in,
                              const cs_gloria_options *options, double *out, cs_real *dpatches,
                              cs_real *dtokens, size_t threads, void *scratch);

#endif
