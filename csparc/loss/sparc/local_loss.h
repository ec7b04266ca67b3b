/* The local loss of SPARC, forward and backward in one pass over the samples (equations 2 to 6).
 *
 * Per sample, over its valid patches V [P,D] and valid tokens T [L,D]; no other sample enters:
 *   s = V T^T, weights a [P,L] from s (loss/sparc/sample.h)     c = a^T V      grouped vectors, raw
 *   U[j,k] = logit_scale ch_j . th_k                      unit vectors
 *   loss_i = sample_weight_i [ CE(U) + CE(U^T) ]
 * Backward, with G = weight sample_weight_i (R + C - 2I):
 *   dc_j = (logit_scale sum_k G_jk th_k - ch_j sum_k G_jk U_jk) / |c_j|,   g = V dc^T
 *   ds = keep g / Z' - [p = argmin] sum_q keep g / Z'     (the maximum needs no term)
 *   dV = a dc + ds T                                      dT = what reaches T as th + ds^T V
 *
 *   patches (B,P,D) tokens (B,L,D) in, or in their place patch_bits, token_bits in bfloat16 (float
 *     only), which are read one sample at a time; patch_valid (B,P) text_valid (B,L) or NULL:
 *     1 = valid
 *   sample_weight (B) in; a sample without valid rows is skipped
 *   patch_bias, token_bias (B,D) or NULL: added to the gradient of every valid row of the sample:
 *     the gradient of a mean over these rows that stands for a missing global vector
 *   loss, dscale, dsoftmax_scale (B) and kept (B) written, to be summed in order by the caller
 *   weights (B,L,P), dpatches (B,P,D), dtokens (B,L,D): written, or NULL to save the work
 *
 * Cost per sample 4 LPD + 2 LLD FLOP, with gradients 12 LPD + 6 LLD, of valid rows only. One sample
 * per thread at a time; scratch per thread 2 LP + LL + LD + 64 (P + 2 D) numbers. Patches are
 * packed or widened, where they must be, into dpatches; without gradients, into P D numbers of
 * scratch. Tokens are widened into LD numbers. Products on bfloat16 take PD + 2 LD + LP more
 * (loss/sparc/products.h).
 * Numbers: loss/kernels/alignment.h and loss/entropy/logsumexp.h; rows out of range are scaled
 * (loss/sparc/rows_in.h), at no cost to samples that stay in range.
 */
#ifndef CS_SPARC_LOCAL_LOSS_H
#define CS_SPARC_LOCAL_LOSS_H

#include "base/real.h"
#include "csparc.h"
#include "loss/sparc/sample.h"

typedef struct {
    cs_align_options align;
    int detach_weights;         /* no gradient through the alignment weights */
    int token_bias_everywhere;  /* token_bias is added to rows that are not valid, too */
    size_t patch_shift;         /* sample i reads the patches of i + this, cyclically */
    int rounded;                /* products of operands rounded to bfloat16; float only */
    double logit_scale, weight; /* weight: factor of the gradients, not of the loss */
} cs_sparc_options;

typedef struct {
    const cs_real *patches, *tokens;
    const uint16_t *patch_bits, *token_bits;
    const uint8_t *patch_valid, *text_valid;
    const cs_real *sample_weight, *patch_bias, *token_bias;
} CS_TYPED(cs_sparc_input);

typedef struct {
    double *loss, *dscale, *dsoftmax_scale;
    int64_t *kept;
    cs_real *weights, *dpatches, *dtokens;
} CS_TYPED(cs_sparc_output);

/* What scratch depends on beside the sizes. */
typedef struct {
    int gradients;  /* dpatches and dtokens are asked for */
    int rounded;    /* as in the options */
    int token_bits; /* tokens come in bfloat16 */
} cs_sparc_needs;

size_t CS_TYPED(cs_sparc_scratch)(size_t P, size_t L, size_t D, cs_sparc_needs needs,
                                  size_t threads);

cs_status CS_TYPED(cs_sparc)(size_t B, size_t P, size_t L, size_t D,
                             const CS_TYPED(cs_sparc_input) *in, const cs_sparc_options *options,
                             const CS_TYPED(cs_sparc_output) *out, size_t threads, void *scratch);

#endif
