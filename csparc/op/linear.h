/* Affine map of rows, plus a residual.
 *
 *   y[n,:] = weight x[n,:] + bias + residual[n,:]
 *   backward:  dx = dy weight      dweight += dy^T x      dbias += sum_n dy[n,:]
 *
 *   x (N,K) in, kept for dweight   weight (M,K) in, kept for dx   bias (M) in, or NULL
 *   residual (N,M) in, or NULL: its gradient is dy, no function writes it
 *   panels in, or NULL: the weight prepacked, which is then read in its place, to the same bits
 *   y (N,M) out                    dy (N,M) in
 *   dx (N,K) written, or NULL      dweight (M,K), dbias (M) added to, or NULL
 *
 * Cost 2NMK FLOP forward, 4NMK backward; bias and residual are added while y is near. Scratch as
 * given by the size functions. Numbers: sums of K (forward), M (dx) and N (parameters) terms. Small
 * weights, which fit a core's cache, run on la/tiles.h, others on la/packed.h; forward and dx have
 * the same bits on either. The rows of parameter gradients of small weights, and of biases, are cut
 * into G blocks, summed separately and added in order, so that all threads work on them and bits do
 * not depend on threads.
 *
 * With bf16 (float only) the operands of the products x, weight and dy are rounded to bfloat16, all
 * sums, bias and residual are float32; dbias is as without.
 */
#ifndef CS_LINEAR_H
#define CS_LINEAR_H

#include "base/real.h"
#include "csparc.h"

/* Entries of the largest weight that runs on the tile kernels, which read it in place: larger ones
 * were measured to run faster packed (docs/kernels.md). */
enum { CS_LARGEST_TILED = 128 * 192 };

typedef struct {
    size_t N, K, M;
    int bf16;
} cs_linear_shape;

/* A weight that does not change between calls, copied once as the forward products read it:
 * `panels`, of so many words of 32 bits, 0 where none are read (of small weights in float32, in
 * double). They serve this process alone. O(KM). */
size_t CS_TYPED(cs_linear_panels)(const cs_linear_shape *shape);
size_t CS_TYPED(cs_linear_prepack_scratch)(const cs_linear_shape *shape, size_t threads);
cs_status CS_TYPED(cs_linear_prepack)(const cs_linear_shape *shape, const cs_real *weight,
                                      size_t words, uint32_t *panels, size_t threads,
                                      void *scratch);

size_t CS_TYPED(cs_linear_forward_scratch)(const cs_linear_shape *shape, size_t threads);
cs_status CS_TYPED(cs_linear_forward)(const cs_linear_shape *shape, const cs_real *x,
                                      const cs_real *weight, const cs_real *bias,
                                      const cs_real *residual, size_t words,
                                      const uint32_t *panels, cs_real *y, size_t threads,
                                      void *scratch);

size_t CS_TYPED(cs_linear_backward_scratch)(const cs_linear_shape *shape, size_t threads);
cs_status CS_TYPED(cs_linear_backward)(const cs_linear_shape *shape, const cs_real *x,
                                       const cs_real *weight, const cs_real *dy, cs_real *dx,
                                       cs_real *dweight, cs_real *dbias, size_t threads,
                                       void *scratch);

#endif
