#include "op/add.h"

#include "base/real.h"
#include "la/rows.h"

enum { BLOCK = 16384 };

static size_t
entries_from(size_t begin, size_t N)
{
    return N - begin < BLOCK ? N - begin : BLOCK;
}

cs_status
CS_TYPED(cs_add)(size_t N, const cs_real *x, const cs_real *y, cs_real *z)
{
    CS_PARALLEL_FOR_IF(N > BLOCK)
    for (size_t block = 0; block < N; block += BLOCK) {
        size_t end = block + entries_from(block, N);
        for (size_t n = block; n < end; n++)
            z[n] = x[n] + y[n];
    }
    return CS_OK;
}

cs_status
CS_TYPED(cs_accumulate)(size_t N, const cs_real *x, cs_real *y)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR_IF(N > BLOCK)
    for (size_t n = 0; n < N; n += BLOCK)
        rows->scale_add(entries_from(n, N), 1, x + n, 1, y + n);
    return CS_OK;
}
