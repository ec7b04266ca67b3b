#include "la/bf16_product.h"

#include "la/bf16_lanes.h"
#include "la/chains.h"
#include "la/simd.h"

#if !defined(__AVX512BF16__)
/* The widened halves of b and of the broadcast element need registers, too: fewer rows. */
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

#define ITEM cs_bf16x2
#define TERM cs_bf16_term
#define RESULT cs_bf16_result
#define PRODUCT CS_SIMD(cs_bf16_product)

#include "la/tile_loops.h"

INLINE vec
step(vec chain, vec factor, vec term)
{
    return fuse(factor, term, chain);
}

double CS_SIMD(cs_bf16_peak)(size_t rounds);
double
CS_SIMD(cs_bf16_peak)(size_t rounds)
{
    /* As bits these are bfloat16 numbers, whose low half is 0. */
    run_chains(rounds, step, splat(0.75f), splat(0.0625f));
    return 4.0 * CHAINS * LANES * (double)rounds;
}
