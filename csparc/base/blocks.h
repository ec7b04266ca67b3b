/* Blocks: N consecutive entries, rows or samples, cut into pieces of one length, the last of which
 * may be shorter. The length follows from the shape alone, never from the number of threads. */
#ifndef CS_BLOCKS_H
#define CS_BLOCKS_H

#include <stddef.h>

static inline size_t
cs_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t
cs_ceil_divide(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* How much the block that begins at `begin` holds, of `length` at most and N in all. */
static inline size_t
cs_block_length(size_t begin, size_t length, size_t N)
{
    return cs_least(length, N - begin);
}

#endif
