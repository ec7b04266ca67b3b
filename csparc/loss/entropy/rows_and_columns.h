/* Cross-entropy over the rows and the columns of a B x B matrix of scores S of which only tiles
 * ever exist: images are rows, captions columns (loss/entropy/tiling.h).
 *
 *   SYM(S) = 1/(2B) sum_{i with both} [ lse_j S_ij - S_ii  +  lse_j S_ji - S_ii ]
 *
 * i runs over pairs whose image has valid patches and whose caption has valid tokens, j over the
 * captions with tokens, respectively the images with patches; duplicates of a pair match too, or
 * are left out (loss/entropy/same_group.h). The denominator stays B.
 *
 * Order of calls: `open`; for every block of images, `begin` by every owner, `absorb` of each of
 * its tiles, `merge` once all owners are done; `close`; then `gradient` of every row of every tile,
 * whose scores are formed again.
 */
#ifndef CS_ENTROPY_ROWS_AND_COLUMNS_H
#define CS_ENTROPY_ROWS_AND_COLUMNS_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/contrast_side.h"
#include "loss/entropy/tiling.h"

typedef struct {
    size_t B;
    cs_tiling tiling;
    const uint8_t *has_image, *has_caption; /* [B]: 1 where there are valid rows */
    const cs_groups *groups;
    CS_TYPED(cs_contrast_side) image, caption;
    cs_real *matching; /* [B] S_ii */
    /* States of the rows of one block over an owner's captions: what does not match, what does. */
    CS_TYPED(cs_log_sums) owner_others;  /* [owners, rows] */
    CS_TYPED(cs_matches) owner_matches;  /* [owners, rows] */
    /* States of the rows, then the columns, of one tile of each owner; and its matching scores. */
    CS_TYPED(cs_log_sums) tile_others;   /* [owners, rows + columns] */
    CS_TYPED(cs_matches) tile_matches;   /* [owners, rows + columns] */
    cs_real *tile_scratch;               /* [owners, rows, columns] */
} CS_TYPED(cs_rows_and_columns);

/* Cut the arrays out of `arena`; `positive`: a row may have several matches. */
void CS_TYPED(cs_rows_and_columns_layout)(size_t B, const cs_tiling *tiling, int positive,
                                          cs_arena *arena,
                                          CS_TYPED(cs_rows_and_columns) *states);

void CS_TYPED(cs_rows_and_columns_open)(const uint8_t *has_image, const uint8_t *has_caption,
                                        const cs_groups *groups,
                                        CS_TYPED(cs_rows_and_columns) *states);

/* One owner starts on a block of R images. */
void CS_TYPED(cs_rows_and_columns_begin)(CS_TYPED(cs_rows_and_columns) *states, size_t owner,
                                         size_t R);

/* A tile of the owner's: scores [R,C] of images r0.. and captions c0.., of which those that are
 * left out, or match, are overwritten. */
void CS_TYPED(cs_rows_and_columns_absorb)(CS_TYPED(cs_rows_and_columns) *states, size_t owner,
                                          size_t r0, size_t R, size_t c0, size_t C,
                                          cs_real *scores);

/* After all owners: the states of the block's rows. */
void CS_TYPED(cs_rows_and_columns_merge)(CS_TYPED(cs_rows_and_columns) *states, size_t r0,
                                         size_t R);

/* After all blocks: what gradients need. Returns the loss. */
double CS_TYPED(cs_rows_and_columns_close)(CS_TYPED(cs_rows_and_columns) *states);

/* dS of one row of a tile: image i, captions c0 .. c0+C; g [C] = weight dloss/dS. */
void CS_TYPED(cs_rows_and_columns_gradient)(const CS_TYPED(cs_rows_and_columns) *states, size_t i,
                                            size_t c0, size_t C, cs_real weight,
                                            const cs_real *scores, cs_real *g);

#endif
