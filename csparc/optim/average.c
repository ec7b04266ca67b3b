#include "optim/average.h"

#include "base/real.h"
#include "optim/blocks.h"

static void
take_in(size_t n, cs_real rate, const cs_real *restrict weight, cs_real *restrict average)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        average[i] += rate * (weight[i] - average[i]);
}

cs_status
CS_TYPED(cs_average)(size_t N, double rate, const cs_real *weight, cs_real *average)
{
    const size_t blocks = cs_optim_block_count(N), step = CS_OPTIM_BLOCK;
    CS_EACH(b, blocks, cs_optim_threads(N),
            take_in(cs_block_length(b * step, step, N), (cs_real)rate, weight + b * step,
                    average + b * step));
    return CS_OK;
}
