#include "optim/adamw.h"

#include "base/real.h"
#include "base/size.h"
#include "optim/blocks.h"

#ifndef CS_FLOAT64
size_t
cs_adamw_scratch(size_t N)
{
    return CS_SIZE(2, cs_optim_block_count(N), sizeof(double));
}
#endif

cs_status
CS_TYPED(cs_adamw)(size_t N, const cs_adamw_settings *settings, cs_real *grad,
                   cs_real *weight, cs_real *m, cs_real *v, double *sums, void *scratch)
{
    const size_t blocks = cs_optim_block_count(N), step = CS_OPTIM_BLOCK;
    const CS_TYPED(cs_optim_kernels) *kernels = CS_TYPED(cs_optim)();
    double *part = scratch;
    CS_EACH(b, blocks, cs_optim_threads(N),
            kernels->adamw(cs_block_length(b * step, step, N), settings, grad + b * step,
                           weight + b * step, m + b * step, v + b * step, part + 2 * b));
    sums[0] = sums[1] = 0;
    for (size_t b = 0; b < blocks; b++) {
        sums[0] += part[2 * b];
        sums[1] += part[2 * b + 1];
    }
    return CS_OK;
}
