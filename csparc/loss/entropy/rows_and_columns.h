/* Cross-entropy over the rows and the columns of a B x B matrix of scores S of which only tiles
 * ever exist: images are rows, captions columns (loss/entropy/tiling.h).
 *
 *   loss = 1/(2B) sum_{i with both} [ lse_j S_ij - S_ii  +  lse_j S_ji - S_ii ]
 *
 * j runs over captions that have tokens, respectively images that have patches; i over pairs that
 * have both; other pairs of a group match too, or take no part (loss/entropy/same_group.h). The denominator
 * stays B. First pass: every tile once, absorbed; then `close`; second
 * pass: tiles again, turned into gradients. The matching pair is kept out of the sums, so that a
 * confident row loses no digits (loss/kernels/sparc.h).
 */
#ifndef CS_ENTROPY_ROWS_AND_COLUMNS_H
#define CS_ENTROPY_ROWS_AND_COLUMNS_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"
#include "loss/entropy/tiling.h"

/* One side: the state of the other entries of each row (column) and what follows from it. */
typedef struct {
    cs_real *top, *sum; /* [B] largest entry, sum of exp(entry - top) */
    cs_real *lse;       /* [B] */
    cs_real *share;     /* [B] 1 - softmax of what matches */
    CS_TYPED(cs_matches) matches; /* where several may */
} CS_TYPED(cs_entropy_side);

typedef struct {
    size_t B;
    cs_tiling tiling;
    const uint8_t *has_image, *has_caption; /* [B]: 1 where there are valid rows */
    const cs_groups *groups;
    CS_TYPED(cs_entropy_side) image, caption;
    cs_real *matching;              /* [B] S_ii */
    cs_real *owner_top, *owner_sum; /* [owners, rows]: row states of one block */
    CS_TYPED(cs_matches) owner_matches; /* [owners, rows] the same of what matches */
    cs_real *room;                  /* [owners, 2 (rows + columns)] states of one tile */
    CS_TYPED(cs_matches) tile_matches; /* [owners, rows + columns] */
    cs_real *tile_room;             /* [owners, rows columns] */
} CS_TYPED(cs_rows_and_columns);

void CS_TYPED(cs_rows_and_columns_layout)(size_t B, const cs_tiling *tiling, int positive,
                                     cs_arena *arena, CS_TYPED(cs_rows_and_columns) *states);

void CS_TYPED(cs_rows_and_columns_open)(const uint8_t *has_image, const uint8_t *has_caption,
                                   const cs_groups *groups, CS_TYPED(cs_rows_and_columns) *states);

/* One owner starts on the block of images r0 .. r0+R. */
void CS_TYPED(cs_rows_and_columns_begin)(CS_TYPED(cs_rows_and_columns) *states, size_t owner, size_t R);

/* The owner's tile of scores [R,C], images r0.., captions c0... Overwrites what takes no part. */
void CS_TYPED(cs_rows_and_columns_absorb)(CS_TYPED(cs_rows_and_columns) *states, size_t owner, size_t r0,
                                     size_t R, size_t c0, size_t C, cs_real *scores);

/* After all owners: the block's rows. */
void CS_TYPED(cs_rows_and_columns_merge)(CS_TYPED(cs_rows_and_columns) *states, size_t r0, size_t R);

/* After all blocks: what gradients need. Returns the loss. */
double CS_TYPED(cs_rows_and_columns_close)(CS_TYPED(cs_rows_and_columns) *states);

/* dS of one row of a tile: image i, captions c0 .. c0+C; g [C] = weight dloss/dS. */
void CS_TYPED(cs_rows_and_columns_gradient)(const CS_TYPED(cs_rows_and_columns) *states, size_t i, size_t c0,
                                       size_t C, cs_real weight, const cs_real *scores,
                                       cs_real *g);

#endif
