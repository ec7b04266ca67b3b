/* Learned positions.
 *
 *   y[b,t,:] = x[b,t,:] + position[t,:]    backward:  dx = dy     dposition[t,:] += sum_b dy[b,t,:]
 *
 *   x (B,T,C) in    position (T,C) in    y (B,T,C) out    dy (B,T,C) in    dposition (T,C) added to
 *
 * dx is dy itself: no function writes it. Cost BTC FLOP each way, bandwidth bound. Threads over t
 * backward; samples are summed in order.
 */
#ifndef CS_POSITION_H
#define CS_POSITION_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_position_forward)(size_t B, size_t T, size_t C, const cs_real *x,
                                        const cs_real *position, cs_real *y);
cs_status CS_TYPED(cs_position_backward)(size_t B, size_t T, size_t C, const cs_real *dy,
                                         cs_real *dposition);

#endif
