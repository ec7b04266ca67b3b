#include "op/layernorm.h"

#include <string.h>

#include "base/real.h"
#include "op/layer_kernels.h"
#include "la/rows.h"

enum { FORWARD_BLOCK = 64, MOST_BLOCKS = 32, SHORTEST_BLOCK = 64 };

static size_t
block_length(size_t N)
{
    size_t length = (N + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return length < SHORTEST_BLOCK ? SHORTEST_BLOCK : length;
}

static size_t
block_count(size_t N)
{
    return (N + block_length(N) - 1) / block_length(N);
}

static size_t
rows_from(size_t begin, size_t length, size_t N)
{
    return N - begin < length ? N - begin : length;
}

cs_status
CS_TYPED(cs_layernorm_forward)(size_t N, size_t C, const cs_real *x, const cs_real *weight,
                               const cs_real *bias, cs_real eps, cs_real *y, cs_real *mean,
                               cs_real *rstd)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    CS_PARALLEL_FOR_IF(N * C > 32768)
    for (size_t n = 0; n < N; n += FORWARD_BLOCK)
        layer->layernorm_forward(rows_from(n, FORWARD_BLOCK, N), C, eps, x + n * C, weight, bias,
                                 y + n * C, mean + n, rstd + n);
    return CS_OK;
}

size_t
CS_TYPED(cs_layernorm_backward_scratch)(size_t N, size_t C)
{
    return 2 * block_count(N) * C * sizeof(cs_real);
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
    size_t G = block_count(N), length = block_length(N);
    cs_real *part = scratch; /* G rows of [dweight, dbias] */
    memset(part, 0, 2 * G * C * sizeof *part);
    CS_PARALLEL_FOR_IF(N * C > 32768)
    for (size_t g = 0; g < G; g++) {
        size_t n = g * length;
        cs_real *mine = dweight != NULL ? part + 2 * g * C : NULL;
        layer->layernorm_backward(rows_from(n, length, N), C, x + n * C, weight, mean + n, rstd + n,
                                  dy + n * C, dx != NULL ? dx + n * C : NULL, mine,
                                  mine != NULL ? mine + C : NULL);
    }
    for (size_t g = 0; g < G && dweight != NULL; g++) {
        rows->scale_add(C, 1, part + 2 * g * C, 1, dweight);
        rows->scale_add(C, 1, part + (2 * g + 1) * C, 1, dbias);
    }
    return CS_OK;
}
