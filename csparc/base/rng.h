/* Random numbers without state: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011), a keyed bijection of 128-bit counters. Any number of any
 * stream is computed directly, so nothing depends on the order of calls or on threads.
 *
 * Block b of a stream is two 64-bit words, from the key `seed` and the counter (b, stream), each
 * split into 32-bit words, low word first:
 *   out = philox({lo(b), hi(b), lo(stream), hi(stream)}, {lo(seed), hi(seed)})
 *   words = out[0] | out[1] << 32,  out[2] | out[3] << 32
 * Streams that differ in seed or in stream number are independent for every practical purpose.
 * Cost: twenty 32x32 multiplications a block. */
#ifndef CS_RNG_H
#define CS_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A place in a stream, for code that draws one number after another. */
typedef struct {
    uint64_t seed, stream;
    uint64_t block;    /* the block drawn next */
    uint64_t words[2]; /* the block drawn last */
    int left;          /* how many of its words are still to be returned */
} cs_rng;

void cs_rng_start(cs_rng *rng, uint64_t seed, uint64_t stream, uint64_t block);
uint64_t cs_rng_draw(cs_rng *rng);

/* An integer in [0, bound) by multiply and shift: floor(x bound / 2^32) for the upper 32 bits x of
 * the next word. Biased by less than bound / 2^32; no rejection, so always one word. */
uint32_t cs_rng_below(cs_rng *rng, uint32_t bound);

/* out [N]: the words of blocks block, block + 1, ... (modulo 2^64). */
cs_status cs_rng_bits(size_t N, uint64_t seed, uint64_t stream, uint64_t block, uint64_t *out);

#endif
