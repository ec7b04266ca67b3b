/* Affine map of rows, plus a residual.
 *
 *   y[n,:] = weight x[n,:] + bias + residual[n,:]
 *   backward:  dx = dy weight      dweight += dy^T x      dbias += sum_n dy[n,:]
 *
 *   x (N,K) in, kept for dweight   weight (M,K) in, kept for dx   bias (M) in, or NULL
 *   residual (N,M) in, or NULL: its gradient is dy, no function writes it
 *   y (N,M) out                    dy (N,M) in
 *   dx (N,K) written, or NULL      dweight (M,K), dbias (M) added to, or NULL
 *
 * Cost 2NMK FLOP forward, 4NMK backward; bias and residual are added in registers. Scratch as given
 * by the size functions. Numbers: sums of K (forward), M (dx) and N (parameters) terms. Weights
 * that fit a core's cache run on la/tiles.h, others on la/gemm.h, by shape alone. The rows of
 * parameter gradients are cut into G blocks, summed separately and added in order, so that all
 * threads work on a small weight and bits do not depend on them.
 */
#ifndef CS_LINEAR_H
#define CS_LINEAR_H

#include "base/real.h"
#include "csparc.h"

size_t CS_TYPED(cs_linear_forward_scratch)(size_t K, size_t M);
cs_status CS_TYPED(cs_linear_forward)(size_t N, size_t K, size_t M, const cs_real *x,
                                      const cs_real *weight, const cs_real *bias,
                                      const cs_real *residual, cs_real *y, void *scratch);

size_t CS_TYPED(cs_linear_backward_scratch)(size_t N, size_t K, size_t M);
cs_status CS_TYPED(cs_linear_backward)(size_t N, size_t K, size_t M, const cs_real *x,
                                       const cs_real *weight, const cs_real *dy, cs_real *dx,
                                       cs_real *dweight, cs_real *dbias, void *scratch);

#endif
