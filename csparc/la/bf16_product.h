/* Products of bfloat16 matrices with float32 results: la/tiles.h, two numbers at a time.
 *
 *   c[M,N] = sum over terms q of a_q[M,2K_q] b_q[2K_q,N]  (+ e_i rows[i,:])
 *
 * Elements of a and b are bfloat16. Two that follow each other along the inner dimension make up a
 * cs_bf16x2, the first in the low half; where the inner dimension is odd, the second half of the
 * last is 0 in both. With half(n) = (n + 1) / 2, rounded down, two forms of a matrix x [N,D] serve
 * every product of the losses:
 *
 *   rows   [N, half(D)] of (x[n,2d], x[n,2d+1]), for an inner dimension D: broadcast as a, or
 *          transposed into b
 *   stack  [half(N), D] of (x[2n,d], x[2n+1,d]), for an inner dimension N: b as it lies, or a with
 *          its two strides exchanged
 *
 * The instruction set "avx512bf16" multiplies two cs_bf16x2 and adds both products at once; its
 * plain twin runs everywhere else (la/bf16_lanes.h). They differ in the order and the rounding of
 * sums (relative 1e-6 of the sum of magnitudes), and the instruction takes numbers below 1.2e-38
 * for 0. Sums run in order, as la/tiles.h has it.
 *
 * On the calling thread. 4MNK FLOP a term; the two forms O(ND).
 */
#ifndef CS_BF16_PRODUCT_H
#define CS_BF16_PRODUCT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "la/tiles.h"

typedef uint32_t cs_bf16x2;

/* K and the strides count cs_bf16x2. */
typedef struct {
    size_t K;
    const cs_bf16x2 *a;
    size_t a_row, a_col;
    const cs_bf16x2 *b;
    size_t b_row;
} cs_bf16_term;

/* As CS_TYPED(cs_result) of la/tiles.h, in float. */
typedef struct {
    float *c;
    size_t c_row;
    const float *e, *rows;
    size_t rows_row;
    int hints;
} cs_bf16_result;

/* half(count) */
static inline size_t
cs_bf16x2_count(size_t count)
{
    return (count + 1) / 2;
}

void cs_bf16_product(size_t M, size_t N, size_t terms, const cs_bf16_term *term,
                     const cs_bf16_result *result);

/* Both forms of x[N,D] (row stride x_row), rounded to the nearest, ties to even. Either may be
 * NULL. What is past the end of an odd dimension is 0. */
void cs_bf16_of_floats(size_t N, size_t D, const float *x, size_t x_row, cs_bf16x2 *rows,
                       cs_bf16x2 *stack);

/* The same of a matrix that is bfloat16 already; `valid` [N] or NULL: take only rows where it is
 * not 0, N counts all of them. */
void cs_bf16_of_bits(size_t N, size_t D, const uint16_t *x, const uint8_t *valid, cs_bf16x2 *rows,
                     cs_bf16x2 *stack);

/* y = x, exactly. */
void cs_floats_of_bf16(size_t N, const uint16_t *x, float *y);

/* y[D] += a sum_n x[n,:] of N rows in order. */
void cs_bf16_add(size_t N, size_t D, float a, const uint16_t *x, float *y);

/* rows [N, half(D)] -> [half(D), M], columns N..M zero: how rows serve as b. */
void cs_bf16_transpose(size_t N, size_t D, size_t M, const cs_bf16x2 *rows, cs_bf16x2 *transposed);

/* Choose what multiplies, after cs_cpu_init and before any product: "avx512bf16", or "plain" for
 * the twin; NULL or "" takes the instruction where the processor has it and the instruction set in
 * use includes it. CS_EVALUE: unknown, or not on this processor. */
cs_status cs_bf16_init(const char *name);
const char *cs_bf16_name(void);

/* As cs_fma_peak (la/tiles.h), of multiply-adds of bfloat16. */
void cs_bf16_peak(size_t N, size_t rounds, double *flop);

#endif
