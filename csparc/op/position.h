/* Learned positions.
 *
 *   y[b,t,:] = x[b,t,:] + position[t,:] for t < S, x[b,t,:] for the T - S rows behind (registers)
 *   backward:  dx = dy     dposition[t,:] += sum_b dy[b,t,:]
 *
 *   x (B,T,C) in    position (S,C) in    y (B,T,C) out    dy (B,T,C) in    dposition (S,C) added to
 *
 * CS_ESHAPE unless S <= T. dx is dy itself: no function writes it. Cost BSC FLOP each way,
 * bandwidth bound. Threads over t backward; samples are summed in order.
 */
#ifndef CS_POSITION_H
#define CS_POSITION_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_position_forward)(size_t B, size_t T, size_t S, size_t C, const cs_real *x,
                                        const cs_real *position, cs_real *y);
cs_status CS_TYPED(cs_position_backward)(size_t B, size_t T, size_t S, size_t C,
                                         const cs_real *dy, cs_real *dposition);

#endif
