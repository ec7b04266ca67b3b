#include "base/count.h"

#include <stdatomic.h>

static atomic_int counting;
static _Atomic uint64_t flop;

uint64_t
cs_count_restart(int on)
{
    atomic_store(&counting, on);
    return atomic_exchange(&flop, 0);
}

void
cs_count_product(size_t M, size_t N, size_t K)
{
    if (atomic_load_explicit(&counting, memory_order_relaxed))
        atomic_fetch_add_explicit(&flop, 2 * (uint64_t)M * N * K, memory_order_relaxed);
}
