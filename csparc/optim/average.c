#include "optim/average.h"

#include "base/real.h"
#include "optim/blocks.h"
#include "optim/kernels.h"

cs_status
CS_TYPED(cs_average)(size_t N, double rate, const cs_real *weight, cs_real *average)
{
    const size_t blocks = cs_optim_block_count(N), step = CS_OPTIM_BLOCK;
    const CS_TYPED(cs_optim_kernels) *kernels = CS_TYPED(cs_optim)();
    CS_EACH(b, blocks, cs_optim_threads(N),
            kernels->average(cs_block_length(b * step, step, N), (cs_real)rate, weight + b * step,
                             average + b * step));
    return CS_OK;
}
