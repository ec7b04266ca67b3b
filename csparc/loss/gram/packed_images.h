/* A block of images as the losses over all pairs read them (loss/entropy/tiling.h): valid patches
 * packed, their Gram matrix, and the partial gradients that the owners of captions add up.
 *
 *   v_k = 2^exponent rows_k      entries of rows at most 1 in size, so no product leaves the range
 *                                (without Gram matrices exponent is 0 up to entries of 1e18)
 *   gram = rows rows^T           |a rows|^2 = a gram a^T without forming a rows
 *
 * With `unit`, rows are unit vectors instead. Rows of a Gram matrix are gram_row numbers apart, P
 * rounded up to whole lanes. An image's gradient is
 *
 *   drows + dgram rows           summed over owners in order; dgram = dloss/dgram + its transpose
 *
 * and, unless `unit`, less along_k rows_k / |rows_k|^2 for each row k: the losses differentiate by
 * cosines, whose gradients times the cosines sum to along_k, the part of the gradient that lies
 * along row k and that the length takes out (csparc.h). Of the symmetric dgram only the lower half
 * is formed.
 */
#ifndef CS_GRAM_PACKED_IMAGES_H
#define CS_GRAM_PACKED_IMAGES_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"

typedef struct {
    size_t most, P, D, owners; /* images a block may hold, patches of an image, width, owners */
    int unit, use_gram;   /* set by the caller; without use_gram there is no Gram matrix */
    size_t first, images; /* what it holds now */
    const uint8_t *valid; /* (B,P) of the caller, or NULL: all */
    size_t *count;        /* [most] valid patches */
    int *exponent;        /* [most] */
    cs_real *rows;        /* [most,P,D] */
    cs_real *inverse;     /* [most,P] 1/|rows_k|, 0 for a dead one */
    cs_real *norm;        /* [most,P] |v_k|, 0 for a dead one */
    cs_real *longest;     /* [most] the largest |rows_k| of an image */
    size_t gram_row;
    cs_real *columns;     /* [most,D,gram_row] rows, transposed */
    cs_real *gram;        /* [most,P,gram_row] */
    cs_real *drows;       /* [owners,most,P,D] */
    cs_real *dgram;       /* [owners,most,P,gram_row] */
    cs_real *along;       /* [owners,most,P] */
} CS_TYPED(cs_image_block);

/* The length up to which a weighted sum of image r's rows counts as zero: 1e-12 in the patches' own
 * scale, and never so little that its square is lost beside rows of about 1. */
cs_real CS_TYPED(cs_image_block_dead)(const CS_TYPED(cs_image_block) *block, size_t r);

/* Images of a block, at least one: they stay in cache, their partial sums within 48 MB. */
size_t CS_TYPED(cs_image_block_rows)(size_t owners, size_t P, size_t D);

/* Cut the arrays out of `arena`, those of gradients only where wanted. */
void CS_TYPED(cs_image_block_layout)(size_t most, size_t P, size_t D, size_t owners, int gradients,
                                     cs_arena *arena, CS_TYPED(cs_image_block) *block);

/* Take images first .. first + images of patches (B,P,D). Parallel. */
void CS_TYPED(cs_image_block_pack)(size_t first, size_t images, const cs_real *patches,
                                   CS_TYPED(cs_image_block) *block);

/* One owner's part of image r's gradient. `clear` comes first and sets along to 0; drows and dgram
 * are overwritten by the owner's first tile and added to by the others. */
void CS_TYPED(cs_image_block_clear)(const CS_TYPED(cs_image_block) *block, size_t owner);
cs_real *CS_TYPED(cs_image_block_drows)(const CS_TYPED(cs_image_block) *block, size_t owner,
                                        size_t r);
cs_real *CS_TYPED(cs_image_block_along)(const CS_TYPED(cs_image_block) *block, size_t owner,
                                        size_t r);

/* The owner's dgram of image r: x across, which must be symmetric, written if `begins`, else added.
 * x [count,C] with row stride x_row, across [C,gram_row]. */
void CS_TYPED(cs_image_block_add_gram)(const CS_TYPED(cs_image_block) *block, size_t owner,
                                       size_t r, int begins, size_t C, const cs_real *x,
                                       size_t x_row, const cs_real *across);

/* After all owners: the gradient of the block's images, written to dpatches (B,P,D); 0 where not
 * valid. Parallel. */
void CS_TYPED(cs_image_block_finish)(const CS_TYPED(cs_image_block) *block, cs_real *dpatches);

#endif
