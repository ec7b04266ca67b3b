/* Flat arrays in blocks of fixed length: the unit of threading, and of sums that must not depend on
 * the number of threads. */
#ifndef CS_OPTIM_BLOCKS_H
#define CS_OPTIM_BLOCKS_H

#include "base/blocks.h"
#include "base/threads.h"

enum { CS_OPTIM_BLOCK = 8192 };

static inline size_t
cs_optim_block_count(size_t N)
{
    return cs_ceil_divide(N, CS_OPTIM_BLOCK);
}

/* Threads for a loop over the blocks of N entries. */
static inline size_t
cs_optim_threads(size_t N)
{
    return cs_threads_if(cs_optim_block_count(N) > 2);
}

#endif
