/* Length of a vector, in the range of its type: squares of entries above 1e19 overflow a float and
 * those below 1e-19 vanish, so a sum of squares that left the comfortable range is formed again of
 * entries divided by the largest. NaN and infinity propagate. */
#ifndef CS_LA_NORM_H
#define CS_LA_NORM_H

#include "base/real.h"
#include "la/rows.h"

/* A vector no longer than this is dead: its unit vector is 0, and so is its gradient. */
#define CS_DEAD_NORM ((cs_real)1e-12)

/* The product of two vectors longer than this may leave the type's range. */
#define CS_LARGE_NORM sqrt(sqrt(CS_REAL_MAX))

static inline cs_real
cs_norm(const CS_TYPED(cs_row_kernels) *rows, size_t D, const cs_real *x)
{
    cs_real squares = rows->dot(D, x, x);
    if (squares > CS_REAL_EPSILON && squares <= CS_REAL_MAX)
        return sqrt(squares);
    cs_real largest = 0, sum = 0;
    for (size_t d = 0; d < D; d++)
        largest = fmax(largest, fabs(x[d]));
    if (!(largest > 0 && largest <= CS_REAL_MAX))
        return sqrt(squares);
    for (size_t d = 0; d < D; d++)
        sum += (x[d] / largest) * (x[d] / largest);
    return largest * sqrt(sum);
}

/* The length, 0 for a dead vector. */
static inline cs_real
cs_live_norm(const CS_TYPED(cs_row_kernels) *rows, size_t D, const cs_real *x)
{
    cs_real norm = cs_norm(rows, D, x);
    return norm <= CS_DEAD_NORM ? 0 : norm;
}

/* 1 / norm, 0 for the norm 0 of a dead vector. */
static inline cs_real
cs_inverse_norm(cs_real norm)
{
    return norm == 0 ? 0 : 1 / norm;
}

#endif
