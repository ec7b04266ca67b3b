/* How a loss over all B x B pairs is cut into work.
 *
 * Images are taken in blocks of `rows`, one block after another. Captions are dealt to owners, each
 * `owned` consecutive ones (the last fewer), and an owner works through its captions in tiles of
 * `columns`. A thread takes one owner at a time. Gradients of a caption are added to by its owner
 * alone, block of images by block; those of an image are summed by each owner for itself and then
 * over owners in order. So every sum has one order, whichever thread does the work, and memory is
 * one block of images plus at most CS_MOST_OWNERS partial sums of it.
 *
 * Sizes follow from the shape alone; a caller may ask for others (tests do), 0 meaning the usual.
 */
#ifndef CS_ENTROPY_TILING_H
#define CS_ENTROPY_TILING_H

#include <stddef.h>

#include "base/blocks.h"

enum { CS_MOST_OWNERS = 16 };

typedef struct {
    size_t rows, columns; /* images in a block, captions in a tile */
    size_t owned, owners; /* captions of an owner (a multiple of columns), number of owners */
} cs_tiling;

/* `rows` and `columns` are the usual sizes, `asked_*` what the caller wants instead, if above 0. */
static inline cs_tiling
cs_tiling_of(size_t B, size_t rows, size_t columns, long long asked_rows, long long asked_columns)
{
    cs_tiling t;
    size_t most = B > 0 ? B : 1;
    t.rows = cs_least(asked_rows > 0 ? (size_t)asked_rows : rows, most);
    t.columns = cs_least(asked_columns > 0 ? (size_t)asked_columns : columns, most);
    t.owned = cs_ceil_divide(cs_ceil_divide(most, CS_MOST_OWNERS), t.columns) * t.columns;
    t.owners = cs_ceil_divide(B, t.owned);
    return t;
}

#endif
