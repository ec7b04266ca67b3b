/* Sum of squares of an array, for norms and for clipping by the global norm.
 *
 *   sum = sum_i x_i^2        x (N) in    sum (1) out
 *
 * In double, over blocks of fixed length and over the blocks in order, so squares of float never
 * overflow and bits depend neither on threads nor on the instruction set (optim/kernels.h). 2N
 * FLOP; scratch of one double a block.
 */
#ifndef CS_OPTIM_NORM_H
#define CS_OPTIM_NORM_H

#include "base/real.h"
#include "csparc.h"

size_t cs_sum_of_squares_scratch(size_t N);
cs_status CS_TYPED(cs_sum_of_squares)(size_t N, const cs_real *x, double *sum, void *scratch);

#endif
