/* The pieces of the local loss on their own, for a batch.
 *
 * sparse_similarity (equations 2 to 4): weights [B,L,P] of every token over the patches
 *   minmax_sparse  shat = (s - min)/(max - min), zero where shat < sigma, divided by the row's sum
 *   minmax         the same without the threshold
 *   softmax        softmax over patches of softmax_scale s
 * Backward, for any dweights (loss/kernels/alignment.h): the row's weighted mean is taken out, the
 * minimum receives minus the row's sum, the maximum and the threshold receive nothing.
 *
 *   patches (B,P,D) tokens (B,L,D) in; patch_valid (B,P) text_valid (B,L) or NULL: 1 = valid
 *   weights (B,L,P) out, 0 where either is not valid    kept (B) out: entries of weights kept
 *   dweights (B,L,P) in    dpatches, dtokens written    dsoftmax_scale (B) written
 * Cost per sample 2 LPD FLOP forward, 6 LPD backward (which forms s again), of valid rows only.
 *
 * group_patches (equation 5): grouped = weights patches, grouped (B,L,D). Columns of weights and
 * rows of patches that are not valid are left out, whatever they hold.
 * Cost 2 LPD forward, 4 LPD backward.
 */
#ifndef CS_SPARC_PIECES_H
#define CS_SPARC_PIECES_H

#include "base/real.h"
#include "csparc.h"
#include "loss/sparc/sample.h"

size_t CS_TYPED(cs_sparse_similarity_scratch)(size_t P, size_t L, size_t D, int gradients,
                                              size_t threads);

cs_status CS_TYPED(cs_sparse_similarity_forward)(
    size_t B, size_t P, size_t L, size_t D, const cs_real *patches, const cs_real *tokens,
    const uint8_t *patch_valid, const uint8_t *text_valid, const cs_align_options *options,
    cs_real *weights, int64_t *kept, size_t threads, void *scratch);
cs_status CS_TYPED(cs_sparse_similarity_backward)(
    size_t B, size_t P, size_t L, size_t D, const cs_real *patches, const cs_real *tokens,
    const uint8_t *patch_valid, const uint8_t *text_valid, const cs_align_options *options,
    const cs_real *dweights, cs_real *dpatches, cs_real *dtokens, double *dsoftmax_scale,
    size_t threads, void *scratch);

size_t CS_TYPED(cs_group_patches_scratch)(size_t P, size_t L, size_t D, size_t threads);
size_t CS_TYPED(cs_group_patches_backward_scratch)(size_t P, size_t D, size_t threads);

cs_status CS_TYPED(cs_group_patches_forward)(size_t B, size_t P, size_t L, size_t D,
                                             const cs_real *weights, const cs_real *patches,
                                             const uint8_t *patch_valid, cs_real *grouped,
                                             size_t threads, void *scratch);
cs_status CS_TYPED(cs_group_patches_backward)(size_t B, size_t P, size_t L, size_t D,
                                              const cs_real *weights, const cs_real *patches,
                                              const uint8_t *patch_valid, const cs_real *dgrouped,
                                              cs_real *dweights, cs_real *dpatches,
                                              size_t threads, void *scratch);

#endif
