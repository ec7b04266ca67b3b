/* How much arithmetic was done: every matrix product adds its 2MNK while counting is on. The sum is
 * of whole numbers, so it is the same for any number of threads. Off, a product pays one read. */
#ifndef CS_COUNT_H
#define CS_COUNT_H

#include <stddef.h>
#include <stdint.h>

/* Start (1) or stop (0) counting; either sets the count to 0. Returns what it was. */
uint64_t cs_count_restart(int on);

/* A product C[M,N] = A[M,K] B[K,N] is about to run. */
void cs_count_product(size_t M, size_t N, size_t K);

#endif
