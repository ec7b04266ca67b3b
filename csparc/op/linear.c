#include "op/linear.h"

#include <string.h>

#include "base/real.h"
#include "la/gemm.h"
#include "op/layer_kernels.h"
#include "la/rows.h"
#include "la/tiles.h"

/* Rows a thread takes at a time: eight tiles, whose inputs and outputs stay in cache. */
enum { ROW_BLOCK = 112 };

/* The tile kernels read the weight in place: it must stay in a core's second-level cache. */
enum { LARGEST_TILED = 768 * 192 };

static int
is_tiled(size_t K, size_t M)
{
    return K * M <= LARGEST_TILED;
}

static size_t
rows_from(size_t begin, size_t length, size_t N)
{
    return N - begin < length ? N - begin : length;
}

/* A result larger than the caches is written past them: it would only push out what is still used,
 * and be fetched before it is overwritten. */
static int
hints_for(size_t entries)
{
    enum { LARGE = 1 << 20 };
    return entries >= LARGE ? CS_FETCH | CS_STREAM : 0;
}

static void
fill_ones(size_t n, cs_real *ones)
{
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
}

size_t
CS_TYPED(cs_linear_forward_scratch)(size_t K, size_t M)
{
    return is_tiled(K, M) ? (K * M + ROW_BLOCK) * sizeof(cs_real) : 0;
}

/* x (rows,K) times weight^T (K,M), plus bias as a product of ones with it, plus residual. */
static void
forward_tiled(size_t rows, size_t K, size_t M, const cs_real *x, const cs_real *turned,
              const cs_real *bias, const cs_real *residual, const cs_real *ones, int hints,
              cs_real *y)
{
    CS_TYPED(cs_term) terms[2] = {{K, x, K, 1, turned, M}, {1, ones, 1, ROW_BLOCK, bias, M}};
    CS_TYPED(cs_result) result = {.c = y, .c_row = M, .e = ones, .rows = residual, .rows_row = M,
                                  .hints = hints};
    CS_TYPED(cs_product)(rows, M, bias != NULL ? 2 : 1, terms, &result);
}

cs_status
CS_TYPED(cs_linear_forward)(size_t N, size_t K, size_t M, const cs_real *x, const cs_real *weight,
                            const cs_real *bias, const cs_real *residual, cs_real *y, void *scratch)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    if (is_tiled(K, M)) {
        cs_real *turned = scratch, *ones = turned + K * M;
        CS_TYPED(cs_transpose)(M, K, M, weight, K, turned);
        fill_ones(ROW_BLOCK, ones);
        CS_PARALLEL_FOR_DYNAMIC
        for (size_t n = 0; n < N; n += ROW_BLOCK)
            forward_tiled(rows_from(n, ROW_BLOCK, N), K, M, x + n * K, turned, bias,
                          residual != NULL ? residual + n * M : NULL, ones, hints_for(N * M),
                          y + n * M);
        return CS_OK;
    }
    CS_TYPED(cs_gemm_parallel)(N, M, K, 1, x, K, 1, weight, 1, K, 0, y, M, 1);
    CS_PARALLEL_FOR_IF(N * M > 65536)
    for (size_t n = 0; n < N; n++) {
        if (bias != NULL)
            rows->scale_add(M, 1, bias, 1, y + n * M);
        if (residual != NULL)
            rows->scale_add(M, 1, residual + n * M, 1, y + n * M);
    }
    return CS_OK;
}

/* How the rows of parameter gradients are cut: G blocks of `length`. */
typedef struct {
    size_t G, length;
} row_cut;

/* A large weight gives every thread work by itself and is not cut. */
static row_cut
cut_rows(size_t N, size_t area)
{
    enum { MOST_BLOCKS = 16, SHORTEST = 128 };
    size_t length = (N + MOST_BLOCKS - 1) / MOST_BLOCKS;
    if (length < SHORTEST)
        length = SHORTEST;
    if (area > LARGEST_TILED)
        length = N > 0 ? N : 1;
    return (row_cut){(N + length - 1) / length, length};
}

/* Partial weight gradients, partial bias gradients, ones. */
size_t
CS_TYPED(cs_linear_backward_scratch)(size_t N, size_t K, size_t M)
{
    return (cut_rows(N, M * K).G * M * K + cut_rows(N, 0).G * M + M) * sizeof(cs_real);
}

/* sum[j] += part[0][j] + part[1][j] + ..., columns in parallel. */
static void
add_parts(size_t G, size_t n, const cs_real *part, cs_real *sum)
{
    enum { COLUMN_BLOCK = 2048 };
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR_IF(G * n > 65536)
    for (size_t begin = 0; begin < n; begin += COLUMN_BLOCK) {
        for (size_t g = 0; g < G; g++)
            rows->scale_add(rows_from(begin, COLUMN_BLOCK, n), 1, part + g * n + begin, 1,
                            sum + begin);
    }
}

/* part (M,K) = dy^T x over `rows` rows, a few at a time so that they are read from cache. */
static void
weight_part(size_t rows, size_t K, size_t M, const cs_real *x, const cs_real *dy,
            const cs_real *ones, cs_real *part)
{
    for (size_t n = 0; n < rows; n += ROW_BLOCK) {
        CS_TYPED(cs_term) term = {rows_from(n, ROW_BLOCK, rows), dy + n * M, 1, M, x + n * K, K};
        CS_TYPED(cs_result) result = {.c = part, .c_row = K, .e = ones,
                                      .rows = n > 0 ? part : NULL, .rows_row = K};
        CS_TYPED(cs_product)(M, K, 1, &term, &result);
    }
}

static void
weight_gradient(size_t N, size_t K, size_t M, const cs_real *x, const cs_real *dy,
                cs_real *dweight, cs_real *part, cs_real *ones)
{
    row_cut cut = cut_rows(N, M * K);
    if (!is_tiled(K, M)) {
        CS_TYPED(cs_gemm_parallel)(M, K, N, 1, dy, 1, M, x, K, 1, 1, dweight, K, 1);
        return;
    }
    fill_ones(M, ones);
    CS_PARALLEL_FOR_DYNAMIC
    for (size_t g = 0; g < cut.G; g++) {
        size_t n = g * cut.length;
        weight_part(rows_from(n, cut.length, N), K, M, x + n * K, dy + n * M, ones,
                    part + g * M * K);
    }
    add_parts(cut.G, M * K, part, dweight);
}

static void
bias_gradient(size_t N, size_t M, const cs_real *dy, cs_real *dbias, cs_real *part)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    row_cut cut = cut_rows(N, 0);
    memset(part, 0, cut.G * M * sizeof *part);
    CS_PARALLEL_FOR_IF(N * M > 65536)
    for (size_t g = 0; g < cut.G; g++) {
        size_t n = g * cut.length;
        layer->column_sums(rows_from(n, cut.length, N), M, dy + n * M, part + g * M);
    }
    add_parts(cut.G, M, part, dbias);
}

static void
input_gradient(size_t N, size_t K, size_t M, const cs_real *weight, const cs_real *dy, cs_real *dx)
{
    if (!is_tiled(K, M)) {
        CS_TYPED(cs_gemm_parallel)(N, K, M, 1, dy, M, 1, weight, K, 1, 0, dx, K, 1);
        return;
    }
    CS_PARALLEL_FOR_DYNAMIC
    for (size_t n = 0; n < N; n += ROW_BLOCK)
        CS_TYPED(cs_product)(rows_from(n, ROW_BLOCK, N), K, 1,
                             &(CS_TYPED(cs_term)){M, dy + n * M, M, 1, weight, K},
                             &(CS_TYPED(cs_result)){.c = dx + n * K, .c_row = K,
                                                    .hints = hints_for(N * K)});
}

cs_status
CS_TYPED(cs_linear_backward)(size_t N, size_t K, size_t M, const cs_real *x, const cs_real *weight,
                             const cs_real *dy, cs_real *dx, cs_real *dweight, cs_real *dbias,
                             void *scratch)
{
    if (N == 0)
        return CS_OK;
    cs_real *part = scratch, *bias_part = part + cut_rows(N, M * K).G * M * K;
    cs_real *ones = bias_part + cut_rows(N, 0).G * M;
    if (dweight != NULL)
        weight_gradient(N, K, M, x, dy, dweight, part, ones);
    if (dbias != NULL)
        bias_gradient(N, M, dy, dbias, bias_part);
    if (dx != NULL)
        input_gradient(N, K, M, weight, dy, dx);
    return CS_OK;
}
