#include "la/small_gemm.h"

#include "base/isa.h"

/* Registers: TALLEST rows x two vectors of sums, two vectors of B and one element of A. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define TALLEST 14
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define TALLEST 6
#else
#define VECTOR_BYTES 16
#define TALLEST 6
#endif

enum { LANES = VECTOR_BYTES / sizeof(cs_real) };

typedef cs_real vector __attribute__((vector_size(VECTOR_BYTES)));
/* The same in memory: anywhere an element may lie. */
typedef cs_real unaligned_vector
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(cs_real)), may_alias));

typedef struct {
    size_t K;
    const cs_real *a;
    size_t a_row, a_col;
    const cs_real *b;
    size_t b_row;
    int accumulate;
    cs_real *c;
    size_t c_row;
} operands;

static inline __attribute__((always_inline)) vector
load(const cs_real *from, size_t count)
{
    if (count == LANES)
        return *(const unaligned_vector *)from;
    vector v = {0};
    for (size_t i = 0; i < count; i++)
        v[i] = from[i];
    return v;
}

static inline __attribute__((always_inline)) void
store(vector v, cs_real *to, size_t count)
{
    if (count == LANES) {
        *(unaligned_vector *)to = v;
        return;
    }
    for (size_t i = 0; i < count; i++)
        to[i] = v[i];
}

/* `rows` x `vectors` sums in registers; the last vector holds `count` columns. The two are constants
 * at every call, so that the loops over them unroll. */
static inline __attribute__((always_inline)) void
tile(int rows, int vectors, size_t count, const operands *o)
{
    vector sum[TALLEST][2];
    const cs_real *a = o->a, *b = o->b;
    const size_t a_row = o->a_row, last = (size_t)(vectors - 1) * LANES;
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++)
            sum[i][j] = (vector){0};
    for (size_t k = 0; k < o->K; k++, a += o->a_col, b += o->b_row) {
        vector tail = load(b + last, count), first = vectors == 2 ? load(b, LANES) : tail;
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            cs_real element = a[(size_t)i * a_row];
            sum[i][0] += element * first;
            if (vectors == 2)
                sum[i][1] += element * tail;
        }
    }
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        cs_real *c = o->c + (size_t)i * o->c_row;
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) {
            size_t width = j == vectors - 1 ? count : LANES;
            vector before = {0};
            if (o->accumulate)
                before = load(c + j * LANES, width);
            store(sum[i][j] + before, c + j * LANES, width);
        }
    }
}

/* One function a tile height; widths and whether the last vector is full are told apart inside. */
#define TILE_OF(rows)                                                    \
    static __attribute__((noinline)) void                                \
    tile_of_##rows(size_t columns, const operands *o)                    \
    {                                                                    \
        if (columns == 2 * LANES)                                        \
            tile(rows, 2, LANES, o);                                     \
        else if (columns == LANES)                                       \
            tile(rows, 1, LANES, o);                                     \
        else if (columns > LANES)                                        \
            tile(rows, 2, columns - LANES, o);                           \
        else                                                             \
            tile(rows, 1, columns, o);                                   \
    }

TILE_OF(1)
TILE_OF(2)
TILE_OF(4)
TILE_OF(6)
#if TALLEST > 6
TILE_OF(8)
TILE_OF(10)
TILE_OF(12)
TILE_OF(14)
#endif

static void
run_tile(size_t rows, size_t columns, const operands *o)
{
    static void (*const by_half_height[])(size_t, const operands *) = {
        tile_of_1, tile_of_2, tile_of_4, tile_of_6,
#if TALLEST > 6
        tile_of_8, tile_of_10, tile_of_12, tile_of_14,
#endif
    };
    by_half_height[rows / 2](columns, o);
}

/* Height of the next tile: even, and the rest cut as evenly as that allows; 1 for a last row. */
static size_t
next_height(size_t rest)
{
    size_t tiles = (rest + TALLEST - 1) / TALLEST, height = (rest + tiles - 1) / tiles;
    height += height % 2;
    return height <= rest ? height : height > 2 ? height - 2 : 1;
}

static void
product(size_t M, size_t N, size_t K, const cs_real *a, size_t a_row, size_t a_col,
        const cs_real *b, size_t b_row, int accumulate, cs_real *c, size_t c_row)
{
    for (size_t n = 0; n < N; n += 2 * LANES) {
        size_t columns = N - n < 2 * LANES ? N - n : 2 * LANES;
        for (size_t m = 0; m < M;) {
            size_t rows = next_height(M - m);
            run_tile(rows, columns, &(operands){K, a + m * a_row, a_row, a_col, b + n, b_row,
                                                accumulate, c + m * c_row + n, c_row});
            m += rows;
        }
    }
}

/* Blocks of 16 rows, so that a line of x is used up while it is near. */
static void
transpose(size_t N, size_t C, const cs_real *x, size_t x_row, cs_real *y, size_t y_row)
{
    enum { BLOCK = 16 };
    for (size_t n = 0; n < N; n += BLOCK) {
        size_t rows = N - n < BLOCK ? N - n : BLOCK;
        for (size_t c = 0; c < C; c++) {
            for (size_t i = 0; i < rows; i++)
                y[c * y_row + n + i] = x[(n + i) * x_row + c];
        }
    }
}

extern const CS_TYPED(cs_small_gemm_kernels) CS_KERNEL(cs_small_gemm_kernels_of);
const CS_TYPED(cs_small_gemm_kernels) CS_KERNEL(cs_small_gemm_kernels_of) = {
    .product = product,
    .transpose = transpose,
};
