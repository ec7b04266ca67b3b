/* Convolution of 3 x 3 pixels with replicated borders: what is outside the image is the nearest
 * pixel inside. Zeros there would tell a layer how far the border is.
 *
 *   y[b,i,j,m] = bias[m] + sum over u, v in 0 ... 2 and c of
 *                weight[m,c,u,v] x[b, in(s i + u - 1, Y), in(s j + v - 1, X), c]
 *   in(t,n) = min(max(t, 0), n - 1)      s = 1 or 2, the stride      R = Y / s, S = X / s
 *   backward:  dweight[m,c,u,v] += sum over b, i, j of dy[b,i,j,m] x[b, in(...), in(...), c]
 *              dbias[m] += sum over b, i, j of dy[b,i,j,m]
 *              dx: every dy[b,i,j,m] weight[m,c,u,v] added at the pixel it was computed from
 *
 *   x (B,Y,X,C) in, kept for dweight; where `planar`, (B,C,Y,X)    Y, X multiples of s
 *   weight (M,C,3,3) in, kept for dx    bias (M) in, or NULL    y (B,R,S,M) out
 *   dy (B,R,S,M) in    dx as x, written, or NULL    dweight (M,C,3,3), dbias (M) added to, or NULL
 *
 * CS_ESHAPE unless the sizes agree, CS_EVALUE for another stride. Cost 18 BRSCM FLOP forward, twice
 * that backward (half without dx). Nothing is gathered: an image is copied once with its border
 * around it, and the rows of a product are read there in place, one term a kernel row (planar: a
 * kernel column). Threads over images; dweight is summed over blocks of images, which follow from
 * the sizes, and then over the blocks, in order. Scratch: the weight in the order it is read; a
 * thread's image and gradient with their borders; G copies of dweight, G at most 16, or 4 where
 * 9CM > 32768. Numbers: sums of 9C terms (forward), up to 9M (dx), BRS (parameters).
 */
#ifndef CS_CONV_H
#define CS_CONV_H

#include "base/real.h"
#include "csparc.h"
#include "op/conv_image.h"

size_t CS_TYPED(cs_conv_forward_scratch)(const cs_conv_shape *shape, size_t threads);
cs_status CS_TYPED(cs_conv_forward)(const cs_conv_shape *shape, const cs_real *x,
                                    const cs_real *weight, const cs_real *bias, cs_real *y,
                                    size_t threads, void *scratch);

size_t CS_TYPED(cs_conv_backward_scratch)(const cs_conv_shape *shape, size_t threads);
cs_status CS_TYPED(cs_conv_backward)(const cs_conv_shape *shape, const cs_real *x,
                                     const cs_real *weight, const cs_real *dy, cs_real *dx,
                                     cs_real *dweight, cs_real *dbias, size_t threads,
                                     void *scratch);

#endif
