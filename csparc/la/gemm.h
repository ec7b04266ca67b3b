/* Matrix products of any size, computed by BLIS. Smaller ones, whose operands are in cache already,
 * are faster on la/tiles.h.
 *
 *   C[M,N] = alpha A[M,K] B[K,N] + beta C[M,N]
 *
 * Every operand is a pointer, the stride between rows and the stride between columns, in elements,
 * so transposes and slices need no copies. beta = 0 overwrites C, whatever it holds; K = 0 leaves
 * beta C. 2MNK FLOP. Sums run in an order fixed by the shape, so equal shapes give equal bits.
 */
#ifndef CS_GEMM_H
#define CS_GEMM_H

#include <stddef.h>

#include "base/real.h"

/* On the calling thread. */
void CS_TYPED(cs_gemm)(size_t M, size_t N, size_t K, cs_real alpha,
                       const cs_real *a, size_t a_row, size_t a_col,
                       const cs_real *b, size_t b_row, size_t b_col, cs_real beta,
                       cs_real *c, size_t c_row, size_t c_col);

/* On all threads: C is cut into blocks by M and N alone, and each block is one thread's. */
void CS_TYPED(cs_gemm_parallel)(size_t M, size_t N, size_t K, cs_real alpha,
                                const cs_real *a, size_t a_row, size_t a_col,
                                const cs_real *b, size_t b_row, size_t b_col, cs_real beta,
                                cs_real *c, size_t c_row, size_t c_col);

#endif
