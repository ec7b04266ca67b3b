#include "op/add.h"

#include "base/blocks.h"
#include "base/real.h"
#include "la/rows.h"

enum { BLOCK = 16384 };

static void
add_block(size_t n, const cs_real *x, const cs_real *y, cs_real *z)
{
    for (size_t i = 0; i < n; i++)
        z[i] = x[i] + y[i];
}

cs_status
CS_TYPED(cs_add)(size_t N, const cs_real *x, const cs_real *y, cs_real *z)
{
    const size_t blocks = cs_ceil_divide(N, BLOCK);
    CS_EACH(b, blocks, cs_threads_if(blocks > 1),
            add_block(cs_block_length(b * BLOCK, BLOCK, N), x + b * BLOCK, y + b * BLOCK,
                      z + b * BLOCK));
    return CS_OK;
}

cs_status
CS_TYPED(cs_accumulate)(size_t N, const cs_real *x, cs_real *y)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const size_t blocks = cs_ceil_divide(N, BLOCK);
    CS_EACH(b, blocks, cs_threads_if(blocks > 1),
            rows->scale_add(cs_block_length(b * BLOCK, BLOCK, N), 1, x + b * BLOCK, 1,
                            y + b * BLOCK));
    return CS_OK;
}
