/* Token alignment of MGCA: within each sample words attend to patches and patches to words, and
 * each is told from the others of its sample by what it received (loss/mgca/cross_attention.h).
 *
 *   loss = 1/(2B) sum_i [ words of i over patches of i  +  patches of i over words of i ]
 *
 * over valid rows, as unit vectors. A sample without valid words or patches adds nothing; the
 * denominator stays B.
 *
 *   patches (B,P,D), tokens (B,L,D) in; patch_valid (B,P), text_valid (B,L) or NULL
 *   word, patch: weights of the attention of words and of patches, H and K wide; their gradients
 *     are written
 *   scale: of E; weight: factor of the gradients, not of the loss
 *   out[0] loss, out[1] dloss/dscale; dpatches, dtokens written, or both NULL
 *
 * Cost: twice loss/mgca/cross_attention.h a sample. Samples are dealt to at most 16 owners
 * (loss/entropy/tiling.h), each with its own sum of the gradients of the weights, added in order.
 * Scratch a thread: unit rows and their gradients, 2 (P + L) D, and that of
 * loss/mgca/cross_attention.h; nothing crosses samples.
 */
#ifndef CS_MGCA_TOKENS_H
#define CS_MGCA_TOKENS_H

#include "base/real.h"
#include "csparc.h"
#include "loss/mgca/cross_attention.h"

typedef struct {
    const cs_real *patches, *tokens;
    const uint8_t *patch_valid, *text_valid;
    cs_real scale, weight;
} CS_TYPED(cs_mgca_input);

size_t CS_TYPED(cs_mgca_scratch)(size_t B, size_t P, size_t L, size_t D, size_t H, size_t K,
                                 size_t heads, size_t threads);

cs_status CS_TYPED(cs_mgca)(size_t B, size_t P, size_t L, size_t D,
                            const CS_TYPED(cs_mgca_input) *in,
                            const CS_TYPED(cs_attention_weights) *word,
                            const CS_TYPED(cs_attention_weights) *patch, double *out,
                            cs_real *dpatches, cs_real *dtokens, size_t threads, void *scratch);

#endif
