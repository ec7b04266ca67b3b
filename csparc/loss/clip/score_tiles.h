/* The three products of a loss over all pairs of unit vectors, tile by tile
 * (loss/entropy/tiling.h), on the tile kernels (la/tiles.h):
 *
 *   scores [R,C]    = image[r0..] (factor text[c0..])^T
 *   dtext[c0..]    += g^T image[r0..]          dimage[r0..] = sum over owners of g text
 *
 * Captions are kept twice, as rows and, times `factor`, as columns of a tile: both times the
 * operand whose rows are contiguous.
 *
 *   image, text (B,D)    scratch: B D for the columns, owners x rows x D for the owners' sums
 */
#ifndef CS_CLIP_SCORE_TILES_H
#define CS_CLIP_SCORE_TILES_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/tiling.h"

/* Tiles of a batch of B: large ones use the caches best, but few would leave threads idle. Rows of
 * 56 numbers, or twice that, do not fall into the same cache sets, as rows of 64 would. */
cs_tiling CS_TYPED(cs_score_tiling)(size_t B, long long asked_rows, long long asked_columns);

typedef struct {
    size_t B, D;
    cs_tiling tiling;
    const cs_real *image, *text; /* [B,D] unit vectors, set by the caller */
    cs_real *columns;            /* [tiles of captions, D, columns] */
    cs_real *partial;            /* [owners, rows, D] */
} CS_TYPED(cs_score_tiles);

void CS_TYPED(cs_score_tiles_layout)(size_t B, size_t D, const cs_tiling *tiling,
                                     cs_arena *arena, CS_TYPED(cs_score_tiles) *p);

/* Fill `columns` from `text`, before any tile is formed. */
void CS_TYPED(cs_score_tiles_open)(CS_TYPED(cs_score_tiles) *p, cs_real factor);

/* Captions of an owner. */
static inline size_t
cs_first_caption(const cs_tiling *t, size_t owner)
{
    return owner * t->owned;
}

static inline size_t
cs_end_caption(const cs_tiling *t, size_t owner, size_t B)
{
    return cs_least((owner + 1) * t->owned, B);
}

/* One tile: images r0 .. r0+R, captions c0 .. c0+C, c0 a multiple of the tile's columns. */
void CS_TYPED(cs_score_tile)(const CS_TYPED(cs_score_tiles) *p, size_t r0, size_t R, size_t c0,
                             size_t C, cs_real *scores);

/* g [R,C] of one of the owner's tiles. Blocks of images and an owner's tiles are taken in order:
 * the first block (r0 = 0) overwrites dtext, the owner's first tile its part of dimage; later ones
 * add to them. dtext may be NULL. */
void CS_TYPED(cs_score_tile_gradients)(const CS_TYPED(cs_score_tiles) *p, size_t owner, size_t r0,
                                       size_t R, size_t c0, size_t C, const cs_real *g,
                                       cs_real *dtext);

/* After all owners: dimage of the block, the owners' parts added in order; `adds` to what is there.
 */
void CS_TYPED(cs_score_tiles_sum)(const CS_TYPED(cs_score_tiles) *p, size_t r0, size_t R, int adds,
                                  cs_real *dimage);

#endif
