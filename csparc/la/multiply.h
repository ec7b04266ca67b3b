/* The common forms of the products of la/tiles.h. */
#ifndef CS_MULTIPLY_H
#define CS_MULTIPLY_H

#include "base/real.h"
#include "la/tiles.h"

/* c [M,N] = a [M,K] b [K,N], or with `add` added to c. Strides in elements; columns of b and c are
 * contiguous. */
static inline void
cs_multiply(size_t M, size_t N, size_t K, const cs_real *a, size_t a_row, size_t a_col,
            const cs_real *b, size_t b_row, int add, cs_real *c, size_t c_row)
{
    CS_TYPED(cs_term) term = {K, a, a_row, a_col, b, b_row};
    CS_TYPED(cs_result) result = {c, c_row, NULL, add ? c : NULL, c_row, 0};
    CS_TYPED(cs_product)(M, N, 1, &term, &result);
}

/* c [M,N], its rows N apart, += the sum of the terms, where c has left the near caches since it was
 * last added to. */
static inline void
cs_add_far(size_t M, size_t N, size_t terms, const CS_TYPED(cs_term) *term, cs_real *c)
{
    CS_TYPED(cs_result) sum = {c, N, NULL, c, N, CS_FETCH_SUMS};
    CS_TYPED(cs_product)(M, N, terms, term, &sum);
}

#endif
