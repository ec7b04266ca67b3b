/* The sizes of a convolution (op/conv.h) and one of its images as its products read and write it:
 * with its border. */
#ifndef CS_CONV_IMAGE_H
#define CS_CONV_IMAGE_H

#include "base/real.h"
#include "csparc.h"

/* Y, X, C of the input, R, S, M of the output; planar: whether x is (B,C,Y,X). */
typedef struct {
    size_t B, Y, X, C, R, S, M, stride;
    int planar;
} cs_conv_shape;

enum { CS_TAPS = 3 }; /* side of the kernel */

/* Channels of a result that one product makes: what their weights take stays in the caches while an
 * image's rows are read, and they are the columns of la/tiles.h that are read packed. */
enum { CS_CONV_PANEL = 64 };

/* Channels of the panel that starts at `begin`. */
static inline size_t
cs_conv_panel_from(size_t begin, size_t channels)
{
    return channels - begin < CS_CONV_PANEL ? channels - begin : CS_CONV_PANEL;
}

/* CS_ESHAPE or CS_EVALUE where op/conv.h says so. */
cs_status cs_conv_check(const cs_conv_shape *shape);

/* How an image with its border lies in scratch, in elements. A product of output row i takes one
 * term for each of three taps; the tap's K = 3C inputs of a position are `step` apart.
 *
 *   channels last  [Y+2][X+2][C]  tap: a kernel row; its inputs, 3 pixels of C channels, contiguous
 *   planar         [Y+2][C][X+2]  tap: a kernel column; its inputs, C channels of 3 rows, a padded
 *                                 row apart
 */
typedef struct {
    size_t line;   /* between rows of pixels */
    size_t size;   /* in all */
    size_t tap;    /* between taps */
    size_t step;   /* between inputs of one tap */
    size_t across; /* between neighbouring outputs of a row */
    size_t down;   /* between rows of outputs */
} cs_conv_view;

cs_conv_view cs_conv_view_of(const cs_conv_shape *shape);

/* padded: the image x with its border. */
void CS_TYPED(cs_conv_pad)(const cs_conv_shape *shape, const cs_real *x, cs_real *padded);

/* Fold the gradient of the border onto the pixels it repeats: dpadded [Y+2][X+2][C], whatever the
 * layout of x, to dx. Not finite to read: row Y+1 and column X+1 where the stride is 2, which no
 * output reads. */
void CS_TYPED(cs_conv_fold)(const cs_conv_shape *shape, cs_real *dpadded, cs_real *dx);

/* Where, among the 9C rows of the products, the weights of channel c, kernel row u, column v lie:
 * taps of 3C rows. */
size_t cs_conv_row(const cs_conv_shape *shape, size_t c, size_t u, size_t v);

#endif
