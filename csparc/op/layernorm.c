#include "op/layernorm.h"

#include <string.h>

#include "base/blocks.h"
#include "base/real.h"
#include "base/size.h"
#include "la/rows.h"
#include "op/layer_kernels.h"

enum { FORWARD_BLOCK = 64, MOST_BLOCKS = 32, SHORTEST_BLOCK = 64 };

static size_t
backward_block(size_t N)
{
    size_t length = cs_ceil_divide(N, MOST_BLOCKS);
    return length < SHORTEST_BLOCK ? SHORTEST_BLOCK : length;
}

static size_t
block_count(size_t N)
{
    return cs_ceil_divide(N, backward_block(N));
}

/* Every entry of x is read and one of y, or of dx, written. */
static size_t
threads_for(size_t blocks, size_t N, size_t C)
{
    return cs_threads_for_entries(blocks, 2 * N * C);
}

cs_status
CS_TYPED(cs_layernorm_forward)(size_t N, size_t C, const cs_real *x, const cs_real *weight,
                               const cs_real *bias, cs_real eps, cs_real *y, cs_real *mean,
                               cs_real *rstd)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    const size_t blocks = cs_ceil_divide(N, FORWARD_BLOCK), step = FORWARD_BLOCK;
    CS_EACH(b, blocks, threads_for(blocks, N, C),
            layer->layernorm_forward(cs_block_length(b * step, step, N), C, eps, x + b * step * C,
                                     weight, bias, y + b * step * C, mean + b * step,
                                     rstd + b * step));
    return CS_OK;
}

size_t
CS_TYPED(cs_layernorm_backward_scratch)(size_t N, size_t C)
{
    return CS_SIZE(2, block_count(N), C, sizeof(cs_real));
}

cs_status
CS_TYPED(cs_layernorm_backward)(size_t N, size_t C, const cs_real *x, const cs_real *weight,
                                const cs_real *mean, const cs_real *rstd, const cs_real *dy,
                                cs_real *dx, cs_real *dweight, cs_real *dbias, void *scratch)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    if (N == 0)
        return CS_OK;
    size_t G = block_count(N), step = backward_block(N);
    cs_real *part = scratch; /* G rows of [dweight, dbias] */
    memset(part, 0, 2 * G * C * sizeof *part);
    CS_EACH(g, G, threads_for(G, N, C),
            layer->layernorm_backward(cs_block_length(g * step, step, N), C, x + g * step * C,
                                      weight, mean + g * step, rstd + g * step, dy + g * step * C,
                                      dx != NULL ? dx + g * step * C : NULL,
                                      dweight != NULL ? part + 2 * g * C : NULL,
                                      dweight != NULL ? part + (2 * g + 1) * C : NULL));
    for (size_t g = 0; g < G && dweight != NULL; g++) {
        rows->scale_add(C, 1, part + 2 * g * C, 1, dweight);
        rows->scale_add(C, 1, part + (2 * g + 1) * C, 1, dbias);
    }
    return CS_OK;
}
