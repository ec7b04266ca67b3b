/* A few images at a time, as the losses over all pairs hold them (loss/tiling.h): valid patches
 * packed, their Gram matrix, and room for what each owner of captions adds to their gradient.
 *
 *   v_k = 2^exponent rows_k      entries of rows at most 1 in size, so no product leaves the range
 *   gram = rows rows^T           |a rows|^2 = a gram a^T without forming a rows
 *
 * With `unit`, rows are unit vectors instead. An image's gradient is
 *   drows + 2 dgram rows         summed over owners in order
 * less, for each row k of what is not `unit`, pull_k rows_k / |rows_k|^2: the part of a cosine's
 * gradient along its own vector.
 */
#ifndef CS_IMAGE_BLOCK_H
#define CS_IMAGE_BLOCK_H

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
    cs_real *gram;        /* [most,P,P] row stride P */
    cs_real *drows;       /* [owners,most,P,D] */
    cs_real *dgram;       /* [owners,most,P,P] */
    cs_real *pull;        /* [owners,most,P] */
} CS_TYPED(cs_image_block);

/* Images of a block, so that its partial sums stay within 48 MB (or are those of one image). */
size_t CS_TYPED(cs_image_block_rows)(size_t owners, size_t P, size_t D);

/* Cut the arrays out of `arena`, those of gradients only where wanted. */
void CS_TYPED(cs_image_block_layout)(size_t most, size_t P, size_t D, size_t owners, int gradients,
                                     cs_arena *arena, CS_TYPED(cs_image_block) *block);

/* Take images first .. first + images of patches (B,P,D). Parallel. */
void CS_TYPED(cs_image_block_pack)(size_t first, size_t images, const cs_real *patches,
                                   CS_TYPED(cs_image_block) *block);

/* What one owner adds to: the arrays of image r; and all of them set to zero. */
cs_real *CS_TYPED(cs_image_block_drows)(const CS_TYPED(cs_image_block) *block, size_t owner,
                                        size_t r);
cs_real *CS_TYPED(cs_image_block_dgram)(const CS_TYPED(cs_image_block) *block, size_t owner,
                                        size_t r);
cs_real *CS_TYPED(cs_image_block_pull)(const CS_TYPED(cs_image_block) *block, size_t owner,
                                       size_t r);
void CS_TYPED(cs_image_block_clear)(const CS_TYPED(cs_image_block) *block, size_t owner);

/* The gradient of the block's images, written to dpatches (B,P,D); 0 where not valid. Parallel. */
void CS_TYPED(cs_image_block_finish)(const CS_TYPED(cs_image_block) *block, cs_real *dpatches);

#endif
