#include "la/chains.h"
#include "la/simd.h"

/* The chain is a factor: with two constants for factors the product would leave the loop. */
INLINE vec
step(vec chain, vec factor, vec term)
{
    return madd(chain, factor, term);
}

double CS_SIMD(cs_fma_peak)(size_t rounds);
double
CS_SIMD(cs_fma_peak)(size_t rounds)
{
    run_chains(rounds, step, splat(0.999f), splat(1e-3f));
    return 2.0 * CHAINS * LANES * (double)rounds;
}
