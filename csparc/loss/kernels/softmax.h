/* The part of the table of loss/kernels/pairs.h, where each function is described, that lives in
 * softmax.c: softmax over the patches, a word a lane, and over the words of a caption. Included
 * only by sources that are compiled per instruction set. */
#ifndef CS_KERNEL_SOFTMAX_H
#define CS_KERNEL_SOFTMAX_H

#include <stddef.h>

#include "base/isa.h"

void CS_KERNEL(cs_lane_softmax)(size_t P, size_t lanes, const cs_real *factor, const cs_real *x,
                                cs_real *a, cs_real *restrict top, cs_real *restrict total);
void CS_KERNEL(cs_lane_softmax_backward)(size_t P, size_t lanes, const cs_real *e,
                                         const cs_real *twice_f, const cs_real *x,
                                         const cs_real *a, cs_real *ga);
void CS_KERNEL(cs_lane_softmax_centre)(size_t P, size_t lanes, cs_real factor, const cs_real *mean,
                                       const cs_real *a, cs_real *d);
void CS_KERNEL(cs_segment_softmax)(size_t P, size_t lanes, size_t segments, const size_t *start,
                                   const cs_real *factor, const cs_real *x, cs_real *first);
void CS_KERNEL(cs_segment_softmax_backward)(size_t P, size_t lanes, size_t segments,
                                            const size_t *start, const cs_real *first, cs_real *d);
void CS_KERNEL(cs_combine_lanes)(size_t P, size_t lanes, const cs_real *e, const cs_real *factor,
                                 const cs_real *twice_f, const cs_real *a, cs_real *x, cs_real *d);

#endif
