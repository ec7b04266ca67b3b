/* The loop that measures the peak of a processor: nothing but independent multiply-adds. Included
 * by sources that are compiled per instruction set.
 */
#ifndef CS_CHAINS_H
#define CS_CHAINS_H

#include "la/simd.h"

/* Twelve chains hide the latency of every processor with at most three units of four cycles, and
 * fit sixteen registers beside the two constants. */
enum { CHAINS = 12 };

/* `rounds` times step(chain, factor, term) on every chain; `step` is inlined. */
INLINE void
run_chains(size_t rounds, vec (*step)(vec, vec, vec), vec factor, vec term)
{
    vec chain[CHAINS];
    UNROLL
    for (int i = 0; i < CHAINS; i++)
        chain[i] = splat((float)i);
    for (size_t r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++)
            chain[i] = step(chain[i], factor, term);
    }
    vec sum = chain[0];
    UNROLL
    for (int i = 1; i < CHAINS; i++)
        sum += chain[i];
    volatile float sink = sum_lanes(sum);
    (void)sink;
}

#endif
