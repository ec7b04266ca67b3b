#include "op/linear.h"

#include <string.h>

#include "base/blocks.h"
#include "base/real.h"
#include "base/size.h"
#include "la/gemm.h"
#include "la/multiply.h"
#include "la/rows.h"
#include "op/layer_kernels.h"

/* Rows a thread takes at a time: eight tiles, whose inputs and outputs stay in cache. */
enum { ROW_BLOCK = 112 };

/* Entries of the largest weight that runs on the tile kernels, which read it in place: it must stay
 * in a core's second-level cache. */
enum { LARGEST_TILED = 768 * 192 };

static int
is_tiled(size_t K, size_t M)
{
    return cs_size_times(K, M) <= LARGEST_TILED;
}

/* A result larger than the caches is written past them: it would only push out what is still used,
 * and be fetched before it is overwritten. */
static int
hints_for(size_t entries)
{
    enum { LARGE = 1 << 20 };
    return entries >= LARGE ? CS_FETCH | CS_STREAM : 0;
}

size_t
CS_TYPED(cs_linear_forward_scratch)(size_t K, size_t M)
{
    return is_tiled(K, M) ? (K * M + ROW_BLOCK) * sizeof(cs_real) : 0;
}

/* The block of rows that begins at row n: x weight^T, plus bias as a product of ones with it, plus
 * residual. `columns` [K,M] is weight^T. */
static void
forward_block(size_t N, size_t n, size_t K, size_t M, const cs_real *x, const cs_real *columns,
              const cs_real *bias, const cs_real *residual, const cs_real *ones, cs_real *y)
{
    CS_TYPED(cs_term)
    terms[2] = {{K, x + n * K, K, 1, columns, M}, {1, ones, 1, ROW_BLOCK, bias, M}};
    CS_TYPED(cs_result) result = {.c = y + n * M, .c_row = M,
                                  .rows = residual != NULL ? residual + n * M : NULL,
                                  .rows_row = M, .hints = hints_for(N * M)};
    CS_TYPED(cs_product)(cs_block_length(n, ROW_BLOCK, N), M, bias != NULL ? 2 : 1, terms, &result);
}

static void
add_bias_and_residual(size_t M, const cs_real *bias, const cs_real *residual, cs_real *y)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    if (bias != NULL)
        rows->scale_add(M, 1, bias, 1, y);
    if (residual != NULL)
        rows->scale_add(M, 1, residual, 1, y);
}

cs_status
CS_TYPED(cs_linear_forward)(size_t N, size_t K, size_t M, const cs_real *x, const cs_real *weight,
                            const cs_real *bias, const cs_real *residual, cs_real *y, void *scratch)
{
    if (is_tiled(K, M)) {
        cs_real *columns = scratch, *ones = columns + K * M;
        const size_t blocks = cs_ceil_divide(N, ROW_BLOCK);
        CS_TYPED(cs_transpose)(M, K, M, weight, K, columns);
        for (size_t i = 0; i < ROW_BLOCK; i++)
            ones[i] = 1;
        CS_EACH_DYNAMIC(b, thread, blocks, cs_threads_if(blocks > 1),
                        forward_block(N, b * ROW_BLOCK, K, M, x, columns, bias, residual, ones, y));
        return CS_OK;
    }
    CS_TYPED(cs_gemm_parallel)(N, M, K, 1, x, K, 1, weight, 1, K, 0, y, M, 1);
    CS_EACH(n, N, cs_threads_for_entries(N, N * M),
            add_bias_and_residual(M, bias, residual != NULL ? residual + n * M : NULL, y + n * M));
    return CS_OK;
}

/* How the rows of parameter gradients are cut: G blocks of `length`. */
typedef struct {
    size_t G, length;
} row_cut;

/* A large weight has work for all threads in one product, without such a cut. */
static row_cut
cut_rows(size_t N, size_t area)
{
    enum { MOST_BLOCKS = 16, SHORTEST = 128 };
    size_t length = cs_ceil_divide(N, MOST_BLOCKS);
    if (length < SHORTEST)
        length = SHORTEST;
    if (area > LARGEST_TILED)
        length = N > 0 ? N : 1;
    return (row_cut){cs_ceil_divide(N, length), length};
}

/* Partial weight gradients, partial bias gradients. */
size_t
CS_TYPED(cs_linear_backward_scratch)(size_t N, size_t K, size_t M)
{
    size_t area = cs_size_times(M, K);
    size_t weights = cs_size_times(cut_rows(N, area).G, area);
    size_t biases = cs_size_times(cut_rows(N, 0).G, M);
    return cs_size_times(cs_size_plus(weights, biases), sizeof(cs_real));
}

/* Entries of a sum that a thread adds the parts of at a time. */
enum { COLUMN_BLOCK = 2048 };

/* sum[j] += part[0][j] + part[1][j] + ... for the entries of a block; parts are n apart. */
static void
add_block(size_t G, size_t n, size_t begin, const cs_real *part, cs_real *sum)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    for (size_t g = 0; g < G; g++)
        rows->scale_add(cs_block_length(begin, COLUMN_BLOCK, n), 1, part + g * n + begin, 1,
                        sum + begin);
}

static void
add_parts(size_t G, size_t n, const cs_real *part, cs_real *sum)
{
    const size_t blocks = cs_ceil_divide(n, COLUMN_BLOCK);
    CS_EACH(b, blocks, cs_threads_for_entries(blocks, G * n),
            add_block(G, n, b * COLUMN_BLOCK, part, sum));
}

/* part (M,K) = dy^T x over `rows` rows, a few at a time so that they are read from cache. */
static void
weight_part(size_t rows, size_t K, size_t M, const cs_real *x, const cs_real *dy, cs_real *part)
{
    for (size_t n = 0; n < rows; n += ROW_BLOCK)
        cs_multiply(M, K, cs_block_length(n, ROW_BLOCK, rows), dy + n * M, 1, M, x + n * K, K,
                    n > 0, part, K);
}

static void
weight_gradient(size_t N, size_t K, size_t M, const cs_real *x, const cs_real *dy,
                cs_real *dweight, cs_real *part)
{
    row_cut cut = cut_rows(N, M * K);
    if (!is_tiled(K, M)) {
        CS_TYPED(cs_gemm_parallel)(M, K, N, 1, dy, 1, M, x, K, 1, 1, dweight, K, 1);
        return;
    }
    CS_EACH_DYNAMIC(g, thread, cut.G, cs_threads_if(cut.G > 1),
                    weight_part(cs_block_length(g * cut.length, cut.length, N), K, M,
                                x + g * cut.length * K, dy + g * cut.length * M,
                                part + g * M * K));
    add_parts(cut.G, M * K, part, dweight);
}

static void
bias_gradient(size_t N, size_t M, const cs_real *dy, cs_real *dbias, cs_real *part)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    row_cut cut = cut_rows(N, 0);
    memset(part, 0, cut.G * M * sizeof *part);
    CS_EACH(g, cut.G, cs_threads_for_entries(cut.G, N * M),
            layer->column_sums(cs_block_length(g * cut.length, cut.length, N), M,
                               dy + g * cut.length * M, part + g * M));
    add_parts(cut.G, M, part, dbias);
}

/* dx = dy weight for the block of rows that begins at row n. */
static void
input_block(size_t N, size_t n, size_t K, size_t M, const cs_real *weight, const cs_real *dy,
            cs_real *dx)
{
    CS_TYPED(cs_term) term = {M, dy + n * M, M, 1, weight, K};
    CS_TYPED(cs_result) result = {.c = dx + n * K, .c_row = K, .hints = hints_for(N * K)};
    CS_TYPED(cs_product)(cs_block_length(n, ROW_BLOCK, N), K, 1, &term, &result);
}

static void
input_gradient(size_t N, size_t K, size_t M, const cs_real *weight, const cs_real *dy, cs_real *dx)
{
    if (!is_tiled(K, M)) {
        CS_TYPED(cs_gemm_parallel)(N, K, M, 1, dy, M, 1, weight, K, 1, 0, dx, K, 1);
        return;
    }
    const size_t blocks = cs_ceil_divide(N, ROW_BLOCK);
    CS_EACH_DYNAMIC(b, thread, blocks, cs_threads_if(blocks > 1),
                    input_block(N, b * ROW_BLOCK, K, M, weight, dy, dx));
}

cs_status
CS_TYPED(cs_linear_backward)(size_t N, size_t K, size_t M, const cs_real *x, const cs_real *weight,
                             const cs_real *dy, cs_real *dx, cs_real *dweight, cs_real *dbias,
                             void *scratch)
{
    if (N == 0)
        return CS_OK;
    cs_real *part = scratch, *bias_part = part + cut_rows(N, M * K).G * M * K;
    if (dweight != NULL)
        weight_gradient(N, K, M, x, dy, dweight, part);
    if (dbias != NULL)
        bias_gradient(N, M, dy, dbias, bias_part);
    if (dx != NULL)
        input_gradient(N, K, M, weight, dy, dx);
    return CS_OK;
}
