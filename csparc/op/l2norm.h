/* Unit vectors.
 *
 *   y[n,:] = x[n,:] / |x[n,:]|
 *   backward:  dx[n,:] = (dy[n,:] - y[n,:] <dy[n,:], y[n,:]>) / |x[n,:]|
 *
 * A row with |x| <= 1e-12 is dead: y = 0, dx = 0. This differs from x / max(|x|, eps) only there.
 *
 *   x (N,D) in    y (N,D) out, not x    norm (N) out, kept for backward; 0 marks a dead row
 *   dy (N,D) in   dx (N,D) written
 *
 * Cost 3ND FLOP forward, 5ND backward; bandwidth bound. Numbers: the sum of D squares has relative
 * error about sqrt(D) eps; a row whose squares leave the type's range is rescaled by its largest
 * entry first, so any finite row gives a finite result.
 */
#ifndef CS_L2NORM_H
#define CS_L2NORM_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_l2norm_forward)(size_t N, size_t D, const cs_real *x,
                                      cs_real *y, cs_real *norm);
cs_status CS_TYPED(cs_l2norm_backward)(size_t N, size_t D, const cs_real *y, const cs_real *norm,
                                       const cs_real *dy, cs_real *dx);

#endif
