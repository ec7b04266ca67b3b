#include "la/pairs.h"

#include "la/pair_lanes.h"
#include "la/simd.h"

#if !defined(__AVX512BF16__)
/* The widened halves of b and of the broadcast need registers as well: fewer rows. */
#if defined(__AVX512F__)
#define TILES ROWS_12(1) ROWS_12(2) ROWS_12(3) ROWS_12(4) ROWS_7(5) ROWS_7(6) ROWS_4(7) ROWS_4(8)
enum { WIDEST = 8, TALLEST = 12, PANEL = 4, BLOCK = 12 };
static const size_t tallest[WIDEST + 1] = {0, 12, 12, 12, 12, 7, 7, 4, 4};
#elif defined(__AVX2__)
#define TILES ROWS_9(1) ROWS_4(2)
enum { WIDEST = 2, TALLEST = 9, PANEL = 2, BLOCK = 12 };
static const size_t tallest[WIDEST + 1] = {0, 9, 4};
#else
#define TILES ROWS_7(1) ROWS_4(2)
enum { WIDEST = 2, TALLEST = 7, PANEL = 2, BLOCK = 12 };
static const size_t tallest[WIDEST + 1] = {0, 7, 4};
#endif

#endif

#define ITEM cs_pair
#define TERM cs_pair_term
#define RESULT cs_pair_result
#define PRODUCT CS_SIMD(cs_pair_product)

#include "la/tile_loops.h"

enum { CHAINS = 12 }; /* as in la/peak.c */

double CS_SIMD(cs_pair_peak)(size_t rounds);
double
CS_SIMD(cs_pair_peak)(size_t rounds)
{
    vec chain[CHAINS];
    const vec factor = splat(0.75f), term = splat(0.0625f); /* pairs whose low half is 0 */
    UNROLL
    for (int i = 0; i < CHAINS; i++)
        chain[i] = splat((float)i);
    for (size_t r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++)
            chain[i] = fuse(factor, term, chain[i]);
    }
    vec sum = chain[0];
    UNROLL
    for (int i = 1; i < CHAINS; i++)
        sum += chain[i];
    volatile float sink = sum_lanes(sum);
    (void)sink;
    return 4.0 * CHAINS * LANES * (double)rounds;
}
