/* Layer normalisation (Ba et al. 2016, arXiv 1607.06450).
 *
 *   h[n,:] = (x[n,:] - mean_n) rstd_n     mean_n = mean(x[n,:])     rstd_n = 1 / sqrt(var_n + eps)
 *   y[n,:] = h[n,:] weight + bias         var_n = mean((x[n,:] - mean_n)^2)
 *   backward, with g = dy[n,:] weight:
 *   dx[n,:] = rstd_n (g - mean(g) - h mean(g h))   dweight += sum_n dy h   dbias += sum_n dy
 *
 *   x (N,C) in, kept    weight, bias (C) in    y (N,C) out    mean, rstd (N) out, kept
 *   dy (N,C) in    dx (N,C) written, or NULL    dweight, dbias (C) added to, both or neither NULL
 *
 * Cost 8NC FLOP forward, 14NC backward; bandwidth bound. Numbers: variance in two passes, so rows
 * far from zero lose no digits beyond those of x - mean. Parameter gradients are summed over blocks
 * of rows and then over the blocks, in order.
 */
#ifndef CS_LAYERNORM_H
#define CS_LAYERNORM_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_layernorm_forward)(size_t N, size_t C, const cs_real *x,
                                         const cs_real *weight, const cs_real *bias, cs_real eps,
                                         cs_real *y, cs_real *mean, cs_real *rstd);

size_t CS_TYPED(cs_layernorm_backward_scratch)(size_t N, size_t C);
cs_status CS_TYPED(cs_layernorm_backward)(size_t N, size_t C, const cs_real *x,
                                          const cs_real *weight, const cs_real *mean,
                                          const cs_real *rstd, const cs_real *dy, cs_real *dx,
                                          cs_real *dweight, cs_real *dbias, void *scratch);

#endif
