/* The alignment of one image with its caption: similarities, weights, and the way back; equations 2
 * to 4 of the paper.
 *
 *   s[p,k] = v_p . t_k        of raw vectors, or of unit vectors (options.cosine)
 *   a[p,k] = weights of token k over the patches; each column sums to 1
 *
 * All matrices are [P, lanes]: a valid patch a row, a valid token a lane (loss/sparc/rows_in.h).
 *
 * Unit vectors are never formed: products take raw rows, and lengths enter s as factors. On the way
 * back the Jacobian of x / |x| adds radial x to the gradient of x (csparc.h).
 */
#ifndef CS_SPARC_SAMPLE_H
#define CS_SPARC_SAMPLE_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/kernels/alignment.h"
#include "loss/sparc/products.h"

typedef enum { CS_MINMAX_SPARSE, CS_MINMAX, CS_SOFTMAX } cs_normalizer;

/* Options of the alignment, as csparc.sparc_loss names them. */
typedef struct {
    cs_normalizer normalizer;
    int cosine;           /* similarity of unit vectors */
    int uniform;          /* weights of degenerate tokens: 1/P each (1) or 0 (0) */
    double sigma;         /* threshold; negative: one over the number of valid patches */
    double softmax_scale; /* softmax only */
} cs_align_options;

typedef struct {
    const cs_align_options *options;
    CS_TYPED(cs_sample_operands) operands;
    const CS_TYPED(cs_sample_products) *products; /* of these operands */
    int rescaled;                                 /* rows were scaled into range */
    cs_real *patch_radial; /* [P] coefficient of v_p in its own gradient (unit vectors) */
    cs_real *token_radial; /* [lanes] the same of t_k */
    CS_TYPED(cs_lane_state) state;
} CS_TYPED(cs_sample);

/* Cut the arrays of a sample of at most P patches and L tokens out of `arena`, and choose exact
 * products. Without `packs_patches` the caller sets packed_patches before cs_sample_open. */
void CS_TYPED(cs_sample_layout)(size_t P, size_t L, size_t D, int packs_patches, cs_arena *arena,
                                CS_TYPED(cs_sample) *sample);

/* Open the rows, compute s and the weights. Needs at least one valid patch and one valid token.
 * Returns 0 when a number left the type's range, so that opening again with `rescale` helps. 2LPD
 * FLOP. */
int CS_TYPED(cs_sample_open)(size_t D, const cs_align_options *options, cs_row_set patch_rows,
                             const cs_real *patches, cs_row_set token_rows, const cs_real *tokens,
                             int rescale, CS_TYPED(cs_sample) *sample);

/* From dL/da, which the caller has put in block->ds, to dL/d(v . t) there, and the radial
 * coefficients; blocks in order. Returns the block's part of dL/dsoftmax_scale (0 unless softmax).
 * */
double CS_TYPED(cs_sample_backward)(CS_TYPED(cs_sample) *sample,
                                    const CS_TYPED(cs_token_block) *block);

/* After cs_sample_backward of the block: dT = ds^T V + radial t of its rows, or with `add` that
 * added to dT. 2LPD FLOP over all blocks. */
void CS_TYPED(cs_sample_token_gradient)(const CS_TYPED(cs_sample) *sample,
                                        const CS_TYPED(cs_token_block) *block, int add,
                                        cs_real *dtokens);

/* Number of entries of the weights that the threshold kept. */
int64_t CS_TYPED(cs_sample_kept)(const CS_TYPED(cs_sample) *sample);

#endif
