#include "la/simd.h"

/* Twelve chains hide the latency of every processor with at most three units of four cycles, and
 * fit sixteen registers beside the two constants. */
enum { CHAINS = 12 };

double CS_SIMD(cs_fma_peak)(size_t rounds);
double
CS_SIMD(cs_fma_peak)(size_t rounds)
{
    vec chain[CHAINS];
    const vec factor = splat(0.999f), term = splat(1e-3f);
    UNROLL
    for (int i = 0; i < CHAINS; i++)
        chain[i] = splat((float)i);
    for (size_t r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++)
            chain[i] = madd(chain[i], factor, term);
    }
    vec sum = chain[0];
    UNROLL
    for (int i = 1; i < CHAINS; i++)
        sum += chain[i];
    volatile float sink = sum_lanes(sum);
    (void)sink;
    return 2.0 * CHAINS * LANES * (double)rounds;
}
