/* Captions without a picture: negatives of every image of a batch, matches of none. They are
 * columns beside those of the batch's captions, without rows of their own:
 *
 *   X[i,n] = factor vh_i . eh_n        eh unit vectors of the extra captions (op/l2norm.h)
 *
 * Their tiles have the rows of the batch's, and owners of their own (loss/entropy/tiling.h).
 *
 *   extra (N,D) in    dextra (N,D) written, or NULL    N = 0: nothing is done
 *
 * Cost 2 BND FLOP for the scores, 4 BND for both products of the gradients. Scratch 2 ND + N
 * numbers and the owners' sums as in loss/clip/score_tiles.h. A zero vector is a neutral negative.
 */
#ifndef CS_CLIP_EXTRA_TEXTS_H
#define CS_CLIP_EXTRA_TEXTS_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/clip/score_tiles.h"
#include "loss/entropy/logsumexp.h"

typedef struct {
    size_t N;
    CS_TYPED(cs_score_tiles) products; /* of the images with these captions */
    cs_real *unit, *norm;              /* [N,D], [N] */
} CS_TYPED(cs_extra_texts);

/* image [B,D]: the unit vectors of the images; `batch`: the tiles of the batch itself, of at most
 * `asked_columns` columns where that is above 0. */
void CS_TYPED(cs_extra_texts_layout)(size_t N, size_t D, const cs_real *image,
                                     const cs_tiling *batch, long long asked_columns,
                                     cs_arena *arena, CS_TYPED(cs_extra_texts) *x);

/* Before any tile is formed: unit vectors, and their columns times `factor`. */
cs_status CS_TYPED(cs_extra_texts_open)(const cs_real *extra, cs_real factor,
                                        CS_TYPED(cs_extra_texts) *x);

/* The log-sums of images r0 .. r0+R take in all extra captions. tile [rows, columns] and of_rows
 * [rows] are scratch. */
void CS_TYPED(cs_extra_texts_absorb)(const CS_TYPED(cs_extra_texts) *x, size_t r0, size_t R,
                                     cs_real *tile, const CS_TYPED(cs_log_sums) *of_rows,
                                     const CS_TYPED(cs_log_sums) *rows);

/* One owner's extra captions against images r0 .. r0+R, whose log-sums are lse [R]:
 * G = weight exp(X - lse), to the owner's part of dimage and, unless NULL, to dextra. Returns
 * sum G o (X - origin). u, g [rows, columns] are scratch. */
double CS_TYPED(cs_extra_texts_backward)(CS_TYPED(cs_extra_texts) *x, size_t owner, size_t r0,
                                         size_t R, cs_real weight, cs_real origin,
                                         const cs_real *lse, cs_real *u, cs_real *g,
                                         cs_real *dextra);

/* From sums over all images to gradients: of the unit vectors to that of the vectors, in place. */
cs_status CS_TYPED(cs_extra_texts_close)(const CS_TYPED(cs_extra_texts) *x, cs_real *dextra);

#endif
