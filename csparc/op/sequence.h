/* Rows that every sequence has at its end: registers, learned and the same for all samples.
 *
 *   append   y[b,:T,:] = x[b]    y[b,T:,:] = rows        S = T + R
 *            backward:  dx[b] = dy[b,:T,:]    drows += sum over b of dy[b,T:,:]
 *   leading  y[b] = x[b,:T,:]
 *            backward:  dx[b,:T,:] = dy[b]    dx[b,T:,:] = 0
 *
 *   append:   x (B,T,C) in    rows (R,C) in    y (B,S,C) out
 *             dy (B,S,C) in   dx (B,T,C) written, or NULL    drows (R,C) added to, or NULL
 *   leading:  x (B,S,C) in    y (B,T,C) out, T <= S    dy (B,T,C) in    dx (B,S,C) written
 *
 * CS_ESHAPE unless the sizes agree. Memory traffic only, and BRC FLOP for drows, summed over
 * samples in order.
 */
#ifndef CS_SEQUENCE_H
#define CS_SEQUENCE_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_append_forward)(size_t B, size_t T, size_t R, size_t S, size_t C,
                                      const cs_real *x, const cs_real *rows, cs_real *y);
cs_status CS_TYPED(cs_append_backward)(size_t B, size_t T, size_t R, size_t S, size_t C,
                                       const cs_real *dy, cs_real *dx, cs_real *drows);

cs_status CS_TYPED(cs_leading_forward)(size_t B, size_t S, size_t T, size_t C, const cs_real *x,
                                       cs_real *y);
cs_status CS_TYPED(cs_leading_backward)(size_t B, size_t S, size_t T, size_t C, const cs_real *dy,
                                        cs_real *dx);

#endif
