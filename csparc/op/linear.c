#include "op/linear.h"

#include <string.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/real.h"
#include "la/multiply.h"
#include "la/packed.h"
#include "la/panels.h"
#include "la/rows.h"
#include "op/layer_kernels.h"

#ifdef CS_FLOAT64
enum { IS_DOUBLE = 1 };
#else
enum { IS_DOUBLE = 0 };
#endif

/* Rows a thread takes at a time: eight tiles, whose inputs and outputs stay in cache. */
enum { ROW_BLOCK = 112 };

static int
is_small(const cs_linear_shape *shape)
{
    return cs_size_times(shape->K, shape->M) <= CS_LARGEST_TILED;
}

/* In bfloat16 operands are copied in any case. */
static int
is_tiled(const cs_linear_shape *shape)
{
    return is_small(shape) && !shape->bf16;
}

static void
multiply_packed(const CS_TYPED(cs_packed) *product, int bf16, size_t threads, void *scratch)
{
#ifndef CS_FLOAT64
    if (bf16) {
        cs_bf16_packed_product(product, threads, scratch);
        return;
    }
#endif
    (void)bf16;
    CS_TYPED(cs_packed_product)(product, threads, scratch);
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
CS_TYPED(cs_linear_forward_scratch)(const cs_linear_shape *shape, size_t threads)
{
    return is_tiled(shape) ? (shape->K * shape->M + ROW_BLOCK) * sizeof(cs_real)
                           : CS_TYPED(cs_packed_scratch)(threads);
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
forward_tiled(const cs_linear_shape *shape, const cs_real *x, const cs_real *weight,
              const cs_real *bias, const cs_real *residual, cs_real *y, cs_real *scratch)
{
    const size_t N = shape->N, K = shape->K, M = shape->M, blocks = cs_ceil_divide(N, ROW_BLOCK);
    cs_real *columns = scratch, *ones = columns + K * M;
    CS_TYPED(cs_transpose)(M, K, M, weight, K, columns);
    for (size_t i = 0; i < ROW_BLOCK; i++)
        ones[i] = 1;
    CS_EACH_DYNAMIC(b, thread, blocks, cs_threads_if(blocks > 1),
                    forward_block(N, b * ROW_BLOCK, K, M, x, columns, bias, residual, ones, y));
}

/* y = x weight^T + bias + residual, on la/packed.h. */
static CS_TYPED(cs_packed)
forward_product(const cs_linear_shape *shape, const cs_real *x, const cs_real *weight,
                const cs_real *bias, const cs_real *residual, cs_real *y)
{
    const size_t K = shape->K, M = shape->M;
    return (CS_TYPED(cs_packed)){
        .M = shape->N, .N = M, .K = K, .a = x, .a_row = K, .a_col = 1, .b = weight, .b_row = 1,
        .b_col = K, .start = residual, .start_row = M, .bias = bias, .c = y, .c_row = M};
}

cs_status
CS_TYPED(cs_linear_forward)(const cs_linear_shape *shape, const cs_real *x, const cs_real *weight,
                            const cs_real *bias, const cs_real *residual, size_t words,
                            const uint32_t *panels, cs_real *y, size_t threads, void *scratch)
{
    if (IS_DOUBLE && shape->bf16)
        return CS_EVALUE;
    if (panels != NULL && words != CS_TYPED(cs_linear_panels)(shape))
        return CS_ESHAPE;
    if (is_tiled(shape)) {
        forward_tiled(shape, x, weight, bias, residual, y, scratch);
        return CS_OK;
    }
    CS_TYPED(cs_packed) product = forward_product(shape, x, weight, bias, residual, y);
    product.panels = (const float *)(const void *)panels;
    multiply_packed(&product, shape->bf16, threads, scratch);
    return CS_OK;
}

size_t
CS_TYPED(cs_linear_panels)(const cs_linear_shape *shape)
{
    return IS_DOUBLE || is_tiled(shape) ? 0 : cs_panels_words(shape->K, shape->M, shape->bf16);
}

size_t
CS_TYPED(cs_linear_prepack_scratch)(const cs_linear_shape *shape, size_t threads)
{
    (void)shape;
    return cs_panels_scratch(threads);
}

cs_status
CS_TYPED(cs_linear_prepack)(const cs_linear_shape *shape, const cs_real *weight, size_t words,
                            uint32_t *panels, size_t threads, void *scratch)
{
    if (IS_DOUBLE && shape->bf16)
        return CS_EVALUE;
    if (words != CS_TYPED(cs_linear_panels)(shape))
        return CS_ESHAPE;
#ifndef CS_FLOAT64
    const cs_packed_f32 product = forward_product(shape, NULL, weight, NULL, NULL, NULL);
    if (words > 0)
        cs_panels_copy(&product, shape->bf16, (float *)(void *)panels, threads, scratch);
#else
    (void)weight, (void)panels, (void)threads, (void)scratch;
#endif
    return CS_OK;
}

/* How the rows of parameter gradients are cut: G blocks of `length`. */
typedef struct {
    size_t G, length;
} row_cut;

static row_cut
cut_rows(size_t N)
{
    enum { MOST_BLOCKS = 16, SHORTEST = 128 };
    const size_t even = cs_ceil_divide(N, MOST_BLOCKS), length = even < SHORTEST ? SHORTEST : even;
    return (row_cut){cs_ceil_divide(N, length), length};
}

/* Partial bias gradients; partial gradients of a small weight, which else has too little work for
 * all threads; what is packed. */
typedef struct {
    cs_real *bias, *weight;
    char *packed;
} parts;

static parts
lay_parts(const cs_linear_shape *shape, size_t threads, cs_arena *arena)
{
    const size_t G = cut_rows(shape->N).G, area = is_small(shape) ? shape->M * shape->K : 0;
    const size_t packed = is_tiled(shape) ? 0 : CS_TYPED(cs_packed_scratch)(threads);
    return (parts){CS_TAKE(arena, cs_real, G, shape->M), CS_TAKE(arena, cs_real, G, area),
                   CS_TAKE(arena, char, packed)};
}

size_t
CS_TYPED(cs_linear_backward_scratch)(const cs_linear_shape *shape, size_t threads)
{
    cs_arena arena = {NULL, 0};
    lay_parts(shape, threads, &arena);
    return arena.used;
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

/* dweight = start + dy^T x over `rows` rows, packed. */
static void
weight_packed(const cs_linear_shape *shape, size_t rows, const cs_real *x, const cs_real *dy,
              const cs_real *start, cs_real *dweight, size_t threads, char *scratch)
{
    const size_t K = shape->K, M = shape->M;
    const CS_TYPED(cs_packed) product = {
        .M = M, .N = K, .K = rows, .a = dy, .a_row = 1, .a_col = M, .b = x, .b_row = K, .b_col = 1,
        .start = start, .start_row = K, .c = dweight, .c_row = K};
    multiply_packed(&product, shape->bf16, threads, scratch);
}

/* The g-th block of rows. */
static void
one_part(const cs_linear_shape *shape, size_t g, const cs_real *x, const cs_real *dy,
         const parts *part, size_t thread)
{
    const size_t K = shape->K, M = shape->M;
    const row_cut cut = cut_rows(shape->N);
    const size_t n = g * cut.length, rows = cs_block_length(n, cut.length, shape->N);
    cs_real *to = part->weight + g * M * K;
    if (shape->bf16)
        weight_packed(shape, rows, x + n * K, dy + n * M, NULL, to, 1,
                      part->packed + thread * CS_TYPED(cs_packed_scratch)(1));
    else
        weight_part(rows, K, M, x + n * K, dy + n * M, to);
}

static void
weight_gradient(const cs_linear_shape *shape, const cs_real *x, const cs_real *dy,
                cs_real *dweight, size_t threads, const parts *part)
{
    if (!is_small(shape)) {
        weight_packed(shape, shape->N, x, dy, dweight, dweight, threads, part->packed);
        return;
    }
    const size_t G = cut_rows(shape->N).G;
    CS_EACH_DYNAMIC(g, thread, G, G > 1 ? threads : 1, one_part(shape, g, x, dy, part, thread));
    add_parts(G, shape->M * shape->K, part->weight, dweight);
}

static void
bias_gradient(size_t N, size_t M, const cs_real *dy, cs_real *dbias, cs_real *part)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    const row_cut cut = cut_rows(N);
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
input_gradient(const cs_linear_shape *shape, const cs_real *weight, const cs_real *dy, cs_real *dx,
               size_t threads, char *scratch)
{
    const size_t N = shape->N, K = shape->K, M = shape->M, blocks = cs_ceil_divide(N, ROW_BLOCK);
    if (is_tiled(shape)) {
        CS_EACH_DYNAMIC(b, thread, blocks, cs_threads_if(blocks > 1),
                        input_block(N, b * ROW_BLOCK, K, M, weight, dy, dx));
        return;
    }
    const CS_TYPED(cs_packed) product = {.M = N, .N = K, .K = M, .a = dy, .a_row = M, .a_col = 1,
                                         .b = weight, .b_row = K, .b_col = 1, .c = dx, .c_row = K};
    multiply_packed(&product, shape->bf16, threads, scratch);
}

cs_status
CS_TYPED(cs_linear_backward)(const cs_linear_shape *shape, const cs_real *x, const cs_real *weight,
                             const cs_real *dy, cs_real *dx, cs_real *dweight, cs_real *dbias,
                             size_t threads, void *scratch)
{
    if (IS_DOUBLE && shape->bf16)
        return CS_EVALUE;
    if (shape->N == 0)
        return CS_OK;
    cs_arena arena = {scratch, 0};
    const parts part = lay_parts(shape, threads, &arena);
    if (dweight != NULL)
        weight_gradient(shape, x, dy, dweight, threads, &part);
    if (dbias != NULL)
        bias_gradient(shape->N, shape->M, dy, dbias, part.bias);
    if (dx != NULL)
        input_gradient(shape, weight, dy, dx, threads, part.packed);
    return CS_OK;
}
