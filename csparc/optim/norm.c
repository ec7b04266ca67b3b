#include "optim/norm.h"

#include "base/real.h"
#include "optim/blocks.h"
#include "optim/kernels.h"

#ifndef CS_FLOAT64
size_t
cs_sum_of_squares_scratch(size_t N)
{
    return cs_optim_block_count(N) * sizeof(double);
}
#endif

cs_status
CS_TYPED(cs_sum_of_squares)(size_t N, const cs_real *x, double *sum, void *scratch)
{
    const size_t blocks = cs_optim_block_count(N), step = CS_OPTIM_BLOCK;
    const CS_TYPED(cs_optim_kernels) *kernels = CS_TYPED(cs_optim)();
    double *part = scratch;
    CS_EACH(b, blocks, cs_optim_threads(N),
            part[b] = kernels->squares(cs_block_length(b * step, step, N), x + b * step));
    *sum = 0;
    for (size_t b = 0; b < blocks; b++)
        *sum += part[b];
    return CS_OK;
}
