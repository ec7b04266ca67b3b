#include "base/rng.h"

static void
philox4x32(uint64_t seed, uint64_t stream, uint64_t block, uint64_t words[2])
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; /* golden ratio */
        k1 += 0xBB67AE85u; /* square root of 3, minus 1 */
    }
    words[0] = c0 | (uint64_t)c1 << 32;
    words[1] = c2 | (uint64_t)c3 << 32;
}

void
cs_rng_start(cs_rng *rng, uint64_t seed, uint64_t stream, uint64_t block)
{
    *rng = (cs_rng){.seed = seed, .stream = stream, .block = block};
}

uint64_t
cs_rng_draw(cs_rng *rng)
{
    if (rng->left == 0) {
        philox4x32(rng->seed, rng->stream, rng->block++, rng->words);
        rng->left = 2;
    }
    return rng->words[2 - rng->left--];
}

uint32_t
cs_rng_below(cs_rng *rng, uint32_t bound)
{
    return (uint32_t)((cs_rng_draw(rng) >> 32) * bound >> 32);
}

cs_status
cs_rng_bits(size_t N, uint64_t seed, uint64_t stream, uint64_t block, uint64_t *out)
{
    cs_rng rng;
    cs_rng_start(&rng, seed, stream, block);
    for (size_t i = 0; i < N; i++)
        out[i] = cs_rng_draw(&rng);
    return CS_OK;
}
