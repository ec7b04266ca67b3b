#include "op/linear.h"

#include <string.h>

#include "base/real.h"
#include "la/gemm.h"
#include "la/layer_rows.h"
#include "la/rows.h"
#include "la/small_gemm.h"

/* Rows a thread takes at a time: their inputs and outputs stay in the second-level cache. */
enum { ROW_BLOCK = 112 };

/* Up to here a panel of the weight stays in the first-level cache without packing. */
static int
is_small(size_t K, size_t M)
{
    enum { LARGEST_SIDE = 1024, LARGEST_AREA = 256 * 256 };
    return K <= LARGEST_SIDE && M <= LARGEST_SIDE && K * M <= LARGEST_AREA;
}

static size_t
block_end(size_t begin, size_t length, size_t end)
{
    return end - begin < length ? end : begin + length;
}

size_t
CS_TYPED(cs_linear_forward_scratch)(size_t K, size_t M)
{
    return is_small(K, M) ? K * M * sizeof(cs_real) : 0;
}

cs_status
CS_TYPED(cs_linear_forward)(size_t N, size_t K, size_t M, const cs_real *x, const cs_real *weight,
                            const cs_real *bias, cs_real *y, void *scratch)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_small_gemm_kernels) *small = CS_TYPED(cs_small_gemms)();
    cs_real *transposed = is_small(K, M) ? scratch : NULL;
    if (transposed != NULL)
        small->transpose(M, K, weight, K, transposed, M);
    else
        CS_TYPED(cs_gemm_parallel)(N, M, K, 1, x, K, 1, weight, 1, K, 0, y, M, 1);
    CS_PARALLEL_FOR_DYNAMIC
    for (size_t begin = 0; begin < N; begin += ROW_BLOCK) {
        size_t end = block_end(begin, ROW_BLOCK, N);
        if (transposed != NULL)
            small->product(end - begin, M, K, x + begin * K, K, 1, transposed, M, 0,
                           y + begin * M, M);
        for (size_t n = begin; bias != NULL && n < end; n++)
            rows->scale_add(M, 1, bias, 1, y + n * M);
    }
    return CS_OK;
}

/* How the rows of parameter gradients are cut: G blocks of `length`. */
typedef struct {
    size_t G, length;
} row_cut;

/* A large weight gives every thread work by itself and is not cut; its bias still is. */
static row_cut
cut_rows(size_t N, size_t area)
{
    enum { MOST_BLOCKS = 16, SHORTEST = 256, LARGE_AREA = 512 * 512 };
    size_t length = (N + MOST_BLOCKS - 1) / MOST_BLOCKS;
    if (length < SHORTEST)
        length = SHORTEST;
    if (area >= LARGE_AREA)
        length = N > 0 ? N : 1;
    return (row_cut){(N + length - 1) / length, length};
}

size_t
CS_TYPED(cs_linear_backward_scratch)(size_t N, size_t K, size_t M)
{
    return (cut_rows(N, M * K).G * M * K + cut_rows(N, 0).G * M) * sizeof(cs_real);
}

/* sum[j] += part[0][j] + part[1][j] + ..., columns in parallel. */
static void
add_parts(size_t G, size_t n, const cs_real *part, cs_real *sum)
{
    enum { COLUMN_BLOCK = 2048 };
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR
    for (size_t begin = 0; begin < n; begin += COLUMN_BLOCK) {
        size_t width = block_end(begin, COLUMN_BLOCK, n) - begin;
        for (size_t g = 0; g < G; g++)
            rows->scale_add(width, 1, part + g * n + begin, 1, sum + begin);
    }
}

static void
weight_gradient(size_t N, size_t K, size_t M, const cs_real *x, const cs_real *dy,
                cs_real *dweight, cs_real *part)
{
    const CS_TYPED(cs_small_gemm_kernels) *small = CS_TYPED(cs_small_gemms)();
    row_cut cut = cut_rows(N, M * K);
    if (cut.G <= 1) {
        CS_TYPED(cs_gemm_parallel)(M, K, N, 1, dy, 1, M, x, K, 1, 1, dweight, K, 1);
        return;
    }
    CS_PARALLEL_FOR_DYNAMIC
    for (size_t g = 0; g < cut.G; g++) {
        cs_real *mine = part + g * M * K;
        size_t begin = g * cut.length, end = block_end(begin, cut.length, N);
        if (!is_small(K, M)) {
            CS_TYPED(cs_gemm)(M, K, end - begin, 1, dy + begin * M, 1, M, x + begin * K, K, 1, 0,
                              mine, K, 1);
            continue;
        }
        for (size_t n = begin; n < end; n += ROW_BLOCK)
            small->product(M, K, block_end(n, ROW_BLOCK, end) - n, dy + n * M, 1, M, x + n * K, K,
                           n > begin, mine, K);
    }
    add_parts(cut.G, M * K, part, dweight);
}

static void
bias_gradient(size_t N, size_t M, const cs_real *dy, cs_real *dbias, cs_real *part)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    row_cut cut = cut_rows(N, 0);
    memset(part, 0, cut.G * M * sizeof *part);
    CS_PARALLEL_FOR
    for (size_t g = 0; g < cut.G; g++) {
        size_t begin = g * cut.length;
        layer->column_sums(block_end(begin, cut.length, N) - begin, M, dy + begin * M,
                           part + g * M);
    }
    add_parts(cut.G, M, part, dbias);
}

static void
input_gradient(size_t N, size_t K, size_t M, const cs_real *weight, const cs_real *dy, cs_real *dx)
{
    const CS_TYPED(cs_small_gemm_kernels) *small = CS_TYPED(cs_small_gemms)();
    if (!is_small(K, M)) {
        CS_TYPED(cs_gemm_parallel)(N, K, M, 1, dy, M, 1, weight, K, 1, 0, dx, K, 1);
        return;
    }
    CS_PARALLEL_FOR_DYNAMIC
    for (size_t begin = 0; begin < N; begin += ROW_BLOCK)
        small->product(block_end(begin, ROW_BLOCK, N) - begin, K, M, dy + begin * M, M, 1, weight,
                       K, 0, dx + begin * K, K);
}

cs_status
CS_TYPED(cs_linear_backward)(size_t N, size_t K, size_t M, const cs_real *x, const cs_real *weight,
                             const cs_real *dy, cs_real *dx, cs_real *dweight, cs_real *dbias,
                             void *scratch)
{
    cs_real *part = scratch, *bias_part = part + cut_rows(N, M * K).G * M * K;
    if (dweight != NULL)
        weight_gradient(N, K, M, x, dy, dweight, part);
    if (dbias != NULL)
        bias_gradient(N, M, dy, dbias, bias_part);
    if (dx != NULL)
        input_gradient(N, K, M, weight, dy, dx);
    return CS_OK;
}
