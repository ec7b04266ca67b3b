/* The two forms of a matrix of bfloat16, from floats and from bfloat16, and the way back. */
#include "la/bf16_lanes.h"
#include "la/bf16_product.h"
#include "la/simd.h"

enum { VECS = 8 };
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint16_t shorts __attribute__((vector_size(2 * LANES)));

/* The first `count` words of p, zeros after them. */
INLINE words
load_words(const void *p, size_t count)
{
    words x = {0};
    if (count >= LANES)
        memcpy(&x, p, sizeof x);
    else
        memcpy(&x, p, 4 * count);
    return x;
}

INLINE words
load_shorts(const uint16_t *p, size_t count)
{
    shorts x = {0};
    if (count >= LANES)
        memcpy(&x, p, sizeof x);
    else
        memcpy(&x, p, 2 * count);
    return __builtin_convertvector(x, words);
}

/* The first `count` words of x, at most LANES. */
INLINE void
store_words(void *p, words x, size_t count)
{
    if (count >= LANES)
        memcpy(p, &x, sizeof x);
    else
        memcpy(p, &x, 4 * count);
}

#if defined(__AVX512BF16__)

/* Two vectors of floats, rounded: those of `low` in the first half. */
INLINE words
round_two(words low, words high)
{
    return (words)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}

INLINE void
store_rounded_row(words x, size_t count, uint16_t *row)
{
    const words rounded = round_two(x, (words){0});
    memcpy(row, &rounded, count >= LANES ? 2 * LANES : 4 * cs_bf16x2_count(count));
}

/* Two rounded rows, their numbers in turn. */
INLINE words
stack_rounded(words low, words high)
{
    static const uint16_t turns[2 * LANES] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                              21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                              11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return (words)_mm512_permutexvar_epi16(_mm512_loadu_si512(turns),
                                           (__m512i)round_two(low, high));
}

#else

/* Floats as bits, rounded to bfloat16 in their high halves; a NaN stays one. */
INLINE words
round_words(words x)
{
    words nearest = x + 0x7fff + ((x >> 16) & 1), quiet = x | 0x00400000;
    words is_nan = (words)((x & 0x7fffffff) > 0x7f800000);
    return (is_nan & quiet) | (~is_nan & nearest);
}

INLINE void
store_rounded_row(words x, size_t count, uint16_t *row)
{
    const shorts rounded = __builtin_convertvector(round_words(x) >> 16, shorts);
    memcpy(row, &rounded, count >= LANES ? 2 * LANES : 4 * cs_bf16x2_count(count));
}

/* Two rounded rows, their numbers in turn. */
INLINE words
stack_rounded(words low, words high)
{
    return (round_words(low) >> 16) | (round_words(high) & 0xffff0000);
}

#endif

void CS_SIMD(cs_bf16_of_floats)(size_t N, size_t D, const float *x, size_t x_row, cs_bf16x2 *rows,
                                cs_bf16x2 *stack);
void
CS_SIMD(cs_bf16_of_floats)(size_t N, size_t D, const float *x, size_t x_row, cs_bf16x2 *rows,
                           cs_bf16x2 *stack)
{
    const size_t row = 2 * cs_bf16x2_count(D);
    uint16_t *halves = (uint16_t *)rows;
    for (size_t n = 0; n < N; n += 2) {
        const int two = n + 1 < N;
        for (size_t d = 0; d < D; d += LANES) {
            const float *first = x + n * x_row + d;
            if (n + 3 < N) { /* the next two rows, which often come from memory */
                __builtin_prefetch(first + 2 * x_row, 0, 2);
                __builtin_prefetch(first + 3 * x_row, 0, 2);
            }
            const words low = load_words(first, D - d);
            const words high = two ? load_words(first + x_row, D - d) : (words){0};
            if (rows != NULL) {
                store_rounded_row(low, D - d, halves + n * row + d);
                if (two)
                    store_rounded_row(high, D - d, halves + (n + 1) * row + d);
            }
            if (stack != NULL)
                store_words(stack + n / 2 * D + d, stack_rounded(low, high), D - d);
        }
    }
}

INLINE void
stack_two(size_t D, const uint16_t *low, const uint16_t *high, cs_bf16x2 *stack)
{
    for (size_t d = 0; d < D; d += LANES) {
        words second = high == NULL ? (words){0} : load_shorts(high + d, D - d);
        store_words(stack + d, load_shorts(low + d, D - d) | (second << 16), D - d);
    }
}

void CS_SIMD(cs_bf16_of_bits)(size_t N, size_t D, const uint16_t *x, const uint8_t *valid,
                              cs_bf16x2 *rows, cs_bf16x2 *stack);
void
CS_SIMD(cs_bf16_of_bits)(size_t N, size_t D, const uint16_t *x, const uint8_t *valid,
                         cs_bf16x2 *rows, cs_bf16x2 *stack)
{
    const uint16_t *low = NULL; /* a row that waits for the next */
    size_t taken = 0;
    for (size_t n = 0; n < N; n++) {
        const uint16_t *from = x + n * D;
        if (valid != NULL && valid[n] == 0)
            continue;
        if (rows != NULL) {
            cs_bf16x2 *to = rows + taken * cs_bf16x2_count(D);
            to[cs_bf16x2_count(D) - 1] = 0;
            memcpy(to, from, D * sizeof *from);
        }
        if (stack != NULL && low != NULL)
            stack_two(D, low, from, stack + taken / 2 * D);
        low = low == NULL ? from : NULL;
        taken++;
    }
    if (stack != NULL && low != NULL)
        stack_two(D, low, NULL, stack + taken / 2 * D);
}

void CS_SIMD(cs_floats_of_bf16)(size_t N, const uint16_t *x, float *y);
void
CS_SIMD(cs_floats_of_bf16)(size_t N, const uint16_t *x, float *y)
{
    for (size_t n = 0; n < N; n += LANES)
        store_words(y + n, load_shorts(x + n, N - n) << 16, N - n);
}

/* `vecs` vectors of columns, which stay in registers from the first row to the last. `left` columns
 * remain of the row, maybe fewer than the vectors hold. */
INLINE void
add_columns(size_t vecs, size_t left, size_t N, size_t D, float a, const uint16_t *x, float *y)
{
    vec sum[VECS];
    UNROLL
    for (size_t v = 0; v < vecs; v++)
        sum[v] = (vec)load_words(y + v * LANES, left - v * LANES);
    for (size_t n = 0; n < N; n++, x += D) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            const vec wide = (vec)(load_shorts(x + v * LANES, left - v * LANES) << 16);
            sum[v] = madd(splat(a), wide, sum[v]);
        }
    }
    UNROLL
    for (size_t v = 0; v < vecs; v++)
        store_words(y + v * LANES, (words)sum[v], left - v * LANES);
}

void CS_SIMD(cs_bf16_add)(size_t N, size_t D, float a, const uint16_t *x, float *y);
void
CS_SIMD(cs_bf16_add)(size_t N, size_t D, float a, const uint16_t *x, float *y)
{
    size_t d = 0;
    for (; d + VECS * LANES <= D; d += VECS * LANES)
        add_columns(VECS, VECS * LANES, N, D, a, x + d, y + d);
    for (; d < D; d += LANES)
        add_columns(1, D - d, N, D, a, x + d, y + d);
}
