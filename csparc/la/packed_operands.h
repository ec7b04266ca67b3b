/* How parts of the operands of la/packed.h are copied, as floats or as bfloat16, and multiplied.
 *
 * Columns of b lie in panels, one after the other, each [depth, padded width]; all are `panel`
 * columns wide but the last, which takes the rest of the strip. An element is a float, or two
 * bfloat16 that follow each other along k: then depth / 2 of them, rounded up.
 */
#ifndef CS_PACKED_OPERANDS_H
#define CS_PACKED_OPERANDS_H

#include "base/blocks.h"
#include "la/packed_shape.h"
#include "la/tiles.h"

/* A part of a product: rows [i, i + rows), columns [j, j + columns), terms [k, k + depth). */
typedef struct {
    size_t i, rows, j, columns, k, depth;
} cs_packed_part;

/* Rows of a, in place or copied; strides in elements. */
typedef struct {
    const void *a;
    size_t row, col;
} cs_packed_rows;

typedef struct {
    size_t pair; /* terms to an element */
    /* Rows of a; copied to `room`, or floats read in place. */
    cs_packed_rows (*rows)(const cs_packed_f32 *p, const cs_packed_part *part, void *room);
    /* Columns of b to panels. `spare`: room for a panel. */
    void (*columns)(const cs_packed_f32 *p, const cs_packed_part *part, size_t panel, void *panels,
                    void *spare);
    /* The product of rows and one panel of `columns` columns, b_row elements a row, then plus bias,
     * if any. */
    void (*multiply)(size_t rows, size_t columns, size_t depth, const cs_packed_rows *a,
                     const void *panel, size_t b_row, const float *bias,
                     const cs_result_f32 *result);
} cs_packed_form;

extern const cs_packed_form cs_packed_floats, cs_packed_halves;

/* Most terms, rows and columns of a part: its rows of a and a panel stay in a second-level cache of
 * 512 KB, its panels, 4 MB, in the third. Rows of c up to which columns of b are not copied, for
 * too few would use the copies. Columns by which a last panel may be wider, so that none is
 * narrower than a vector; what its rows are padded to; width of the widest. */
enum {
    CS_PACKED_DEPTH = 1024,
    CS_PACKED_ROWS = 56,
    CS_PACKED_STRIP = 1024,
    CS_PACKED_FEW = 128,
    CS_PACKED_WIDER = 7,
    CS_PACKED_PAD = 8,
    CS_PACKED_WIDEST = 40
};

static inline size_t
cs_packed_panel(size_t left, size_t panel)
{
    return left <= panel + CS_PACKED_WIDER ? left : panel;
}

/* How many panels there are. */
static inline size_t
cs_packed_panels(size_t columns, size_t panel)
{
    const size_t rest = CS_PACKED_WIDER + 1; /* what is less goes to the panel before */
    return columns < panel ? 1 : (columns + panel - rest) / panel;
}

static inline size_t
cs_packed_width(size_t columns)
{
    return cs_ceil_divide(columns, CS_PACKED_PAD) * CS_PACKED_PAD;
}

#endif
