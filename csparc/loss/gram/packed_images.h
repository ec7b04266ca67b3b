/* A few images at a time, as the losses over all pairs hold them (loss/entropy/tiling.h): valid patches
 * packed, their Gram matrix, and room for what each owner of captions adds to their gradient.
 *
 *   v_k = 2^exponent rows_k      entries of rows at most 1 in size, so no product leaves the range
 *   gram = rows rows^T           |a rows|^2 = a gram a^T without forming a rows
 *
 * Gram matrices have rows of gram_row numbers, P rounded up to whole lanes.
 * With `unit`, rows are unit vectors instead. An image's gradient is
 *   drows + dgram rows           summed over owners in order; dgram = dloss/dgram + its transpose
 * less, for each row k of what is not `unit`, pull_k rows_k / |rows_k|^2: the part of a cosine's
 * gradient along its own vector. Of the symmetric dgram only the lower half is formed, in panels.
 */
#ifndef CS_GRAM_PACKED_IMAGES_H
#define CS_GRAM_PACKED_IMAGES_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"

typedef struct {
    size_t most, P, D, owners; /* images a block may hold, patches of an image, width, owners */
    int unit, use_gram;
    size_t first, images; /* what it holds now */
    const uint8_t *valid; /* (B,P) of the caller, or NULL: all */
    size_t *count;        /* [most] valid patches */
    int *exponent;        /* [most] */
    cs_real *rows;        /* [most,P,D] */
    cs_real *inverse;     /* [most,P] 1/|rows_k|, 0 for a dead one */
    cs_real *norm;        /* [most,P] |v_k|, 0 for a dead one */
    size_t gram_row;
    cs_real *columns;     /* [most,D,gram_row] rows, transposed */
    cs_real *gram;        /* [most,P,gram_row] */
    cs_real *drows;       /* [owners,most,P,D] */
    cs_real *dgram;       /* [owners,most,P,gram_row] */
    cs_real *pull;        /* [owners,most,P] */
} CS_TYPED(cs_image_block);

/* Length of a weighted sum of image r's rows up to which it counts as zero: 1e-12 in the patches'
 * own scale, and never so little that its square is lost beside rows of about 1. */
cs_real CS_TYPED(cs_image_block_dead)(const CS_TYPED(cs_image_block) *block, size_t r);

/* Images of a block, at least one: they stay in cache, their partial sums within 48 MB. */
size_t CS_TYPED(cs_image_block_rows)(size_t owners, size_t P, size_t D);

/* Cut the arrays out of `arena`, those of gradients only where wanted. */
void CS_TYPED(cs_image_block_layout)(size_t most, size_t P, size_t D, size_t owners, int gradients,
                                     cs_arena *arena, CS_TYPED(cs_image_block) *block);

/* Take images first .. first + images of patches (B,P,D). Parallel. */
void CS_TYPED(cs_image_block_pack)(size_t first, size_t images, const cs_real *patches,
                                   CS_TYPED(cs_image_block) *block);

/* What one owner adds to. An owner's first tile starts drows and dgram; pull starts at 0. */
cs_real *CS_TYPED(cs_image_block_drows)(const CS_TYPED(cs_image_block) *block, size_t owner,
                                        size_t r);
cs_real *CS_TYPED(cs_image_block_pull)(const CS_TYPED(cs_image_block) *block, size_t owner,
                                       size_t r);
void CS_TYPED(cs_image_block_clear)(const CS_TYPED(cs_image_block) *block, size_t owner);

/* dgram of image r, `begins` or added to: x across, symmetric, x [count,C] with row stride x_row,
 * across [C,gram_row]. */
void CS_TYPED(cs_image_block_add_gram)(const CS_TYPED(cs_image_block) *block, size_t owner,
                                       size_t r, int begins, size_t C, const cs_real *x,
                                       size_t x_row, const cs_real *across);

/* The gradient of the block's images, written to dpatches (B,P,D); 0 where not valid. Parallel. */
void CS_TYPED(cs_image_block_finish)(const CS_TYPED(cs_image_block) *block, cs_real *dpatches);

#endif
