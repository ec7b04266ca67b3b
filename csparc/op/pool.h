/* Mean over the valid positions of a sequence.
 *
 *   y[b,:] = sum over t with valid[b,t] of x[b,t,:] / n_b,   n_b = number of valid positions
 *   backward:  dx[b,t,:] = dy[b,:] / n_b where valid, else 0
 *
 *   x (B,T,C) in    valid (B,T) in, kept; NULL: all positions    y (B,C) out
 *   dy (B,C) in     dx (B,T,C) written
 *
 * n_b = 0 gives y = 0 and dx = 0. What invalid positions hold is never read. BTC FLOP each way.
 */
#ifndef CS_POOL_H
#define CS_POOL_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_pool_forward)(size_t B, size_t T, size_t C, const cs_real *x,
                                    const uint8_t *valid, cs_real *y);
/* The same of bfloat16 numbers; float only. */
cs_status cs_pool_bits(size_t B, size_t T, size_t C, const uint16_t *x, const uint8_t *valid,
                       float *y);
cs_status CS_TYPED(cs_pool_backward)(size_t B, size_t T, size_t C, const uint8_t *valid,
                                     const cs_real *dy, cs_real *dx);

#endif
