/* The widths that the kernels of the losses are compiled for, which say how their arrays are padded
 * and cut. */
#ifndef CS_KERNEL_WIDTHS_H
#define CS_KERNEL_WIDTHS_H

#include "base/blocks.h"
#include "base/size.h"

/* Numbers of a vector (loss/kernels/lanes.h): rows of matrices are padded to whole vectors. */
enum { CS_LANES = 8 };

static inline size_t
cs_whole_lanes(size_t n)
{
    return cs_size_times(cs_ceil_divide(n, CS_LANES), CS_LANES);
}

/* Columns that rows are gathered and scattered by, and the most samples gathered from at once
 * (loss/kernels/argmax.h). */
enum { CS_CHUNK = 32, CS_GATHERED = 4 };

#endif
