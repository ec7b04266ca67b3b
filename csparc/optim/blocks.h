/* Flat arrays in blocks of fixed length: the unit of threading, and of sums that must not depend on
 * the number of threads. */
#ifndef CS_BLOCKS_H
#define CS_BLOCKS_H

#include <stddef.h>

enum { CS_BLOCK = 8192 };

static inline size_t
cs_block_count(size_t N)
{
    return (N + CS_BLOCK - 1) / CS_BLOCK;
}

static inline size_t
cs_block_length(size_t N, size_t block)
{
    size_t begin = block * CS_BLOCK;
    return N - begin < CS_BLOCK ? N - begin : CS_BLOCK;
}

#endif
