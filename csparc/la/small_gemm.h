/* Products of small matrices, on the calling thread and without packing: what BLIS is slow at.
 *
 *   C[M,N] = A[M,K] B[K,N]  (+ C)
 *
 * A is read element by element and may have any strides; rows of B and C are contiguous. Tiles of a
 * few rows and two vectors stay in registers; 2MNK FLOP. Sums over K run in order, so equal shapes
 * give equal bits. B should fit the second-level cache.
 */
#ifndef CS_SMALL_GEMM_H
#define CS_SMALL_GEMM_H

#include <stddef.h>

#include "base/real.h"

typedef struct {
    /* accumulate != 0 adds to C, else C is overwritten, whatever it holds */
    void (*product)(size_t M, size_t N, size_t K, const cs_real *a, size_t a_row, size_t a_col,
                    const cs_real *b, size_t b_row, int accumulate, cs_real *c, size_t c_row);
    /* y[C,N] = x[N,C] transposed; rows of x are x_row apart, rows of y y_row */
    void (*transpose)(size_t N, size_t C, const cs_real *x, size_t x_row, cs_real *y, size_t y_row);
} CS_TYPED(cs_small_gemm_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_small_gemm_kernels) *CS_TYPED(cs_small_gemms)(void);

#endif
