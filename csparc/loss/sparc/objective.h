/* The SPARC objective of a batch: global_weight global + local_weight local.
 *
 *   image_i = image_global[i], or the mean of the valid patches of i        text_i likewise
 *   global  = InfoNCE(image, text)                  (equation 1: loss/clip/infonce.h)
 *   local   = sum_i w_i (CE(U_i) + CE(U_i^T))       (equations 2 to 6: loss/sparc/local_loss.h)
 *   w_i     = 1/(2 B L_i), or with per_token 1/(2 sum_j L_j);  L_i valid tokens, 0 without a patch
 * The gradient of a mean goes to every row it was taken over, divided by their number.
 *
 *   patches (B,P,D) tokens (B,L,D), or in the place of either, in float, its bfloat16 bits
 *   image_global, text_global (B,D) or NULL: the means
 *   extra_global (N,D) or NULL: captions without a picture, in the global loss alone
 *   patch_valid (B,P) text_valid (B,L) or NULL: 1 = valid
 *   groups: duplicates in the global loss (loss/entropy/same_group.h)
 *   sums [CS_OBJECTIVE_SUMS] written: the two losses, unweighted; the fraction of the weights of
 *     valid tokens on valid patches that the threshold kept (1 where there are none); the gradients
 *     of the objective by the two logit scales and softmax_scale
 *   weights (B,L,P), dpatches (B,P,D), dtokens (B,L,D): written, or NULL to save the work; dpatches
 *     and dtokens both or neither
 *   dimage, dtext (B,D), dextra (N,D) written where given; not looked at without dpatches
 *
 * Cost: the two parts and BPD + BLD FLOP for the means. Scratch: BD numbers for every mean and
 * for every gradient of a global vector without an array of the caller's, 5 B numbers, and that of
 * the part that takes more. Sums over samples run in their order, compensated.
 */
#ifndef CS_SPARC_OBJECTIVE_H
#define CS_SPARC_OBJECTIVE_H

#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"
#include "loss/sparc/local_loss.h"
#include "loss/sparc/sample.h"

enum {
    CS_GLOBAL_LOSS, CS_LOCAL_LOSS, CS_KEPT_FRACTION, CS_DSCALE, CS_DLOCAL_SCALE, CS_DSOFTMAX_SCALE,
    CS_OBJECTIVE_SUMS
};

typedef struct {
    cs_align_options align;
    int detach_weights; /* no gradient through the alignment weights */
    int per_token;      /* local loss: mean over all tokens, not over samples of their means */
    int pool_all_text;  /* mean over all tokens, not only the valid ones */
    size_t patch_shift; /* local loss: sample i with the patches of i + this, cyclically */
    int rounded;        /* products of the local loss on bfloat16; float only */
    double logit_scale, local_logit_scale;
    double global_weight, local_weight;
} cs_objective_options;

typedef struct {
    const cs_real *patches, *tokens, *image_global, *text_global, *extra_global;
    size_t extra_texts; /* N */
    const uint16_t *patch_bits, *token_bits;
    const uint8_t *patch_valid, *text_valid;
    cs_groups groups;
} CS_TYPED(cs_objective_input);

typedef struct {
    double *sums;
    cs_real *weights, *dpatches, *dtokens, *dimage, *dtext, *dextra;
} CS_TYPED(cs_objective_output);

/* What scratch depends on beside the sizes. */
typedef struct {
    cs_sparc_needs local;
    int positive; /* duplicates match in the global loss */
    int image_given, text_given, dimage_given, dtext_given;
    size_t extra_texts; /* N */
} cs_objective_needs;

size_t CS_TYPED(cs_objective_scratch)(size_t B, size_t P, size_t L, size_t D,
                                      cs_objective_needs needs, size_t threads);

cs_status CS_TYPED(cs_objective)(size_t B, size_t P, size_t L, size_t D,
                                 const CS_TYPED(cs_objective_input) *in,
                                 const cs_objective_options *options,
                                 const CS_TYPED(cs_objective_output) *out, size_t threads,
                                 void *scratch);

#endif
