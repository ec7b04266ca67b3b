/* Unit vectors and the way back through them.
 *
 *   u = x / |x|        dx = (du - <u, du> u) / |x|
 *
 * The Jacobian of x / |x| takes out of a gradient what lies along x. A dead vector (la/norm.h) has
 * u = 0 and dx = 0; its length is handed on as 0.
 */
#ifndef CS_UNIT_VECTOR_H
#define CS_UNIT_VECTOR_H

#include "base/real.h"
#include "la/norm.h"

/* u [D], which may be x itself. Returns |x|, 0 for a dead vector. 3D FLOP. */
static inline cs_real
cs_unit_forward(const CS_TYPED(cs_row_kernels) *rows, size_t D, const cs_real *x, cs_real *u)
{
    cs_real norm = cs_live_norm(rows, D, x);
    rows->scale_add(D, cs_inverse_norm(norm), x, 0, u);
    return norm;
}

/* dx [D], which may be du itself. 5D FLOP. */
static inline void
cs_unit_backward(const CS_TYPED(cs_row_kernels) *rows, size_t D, const cs_real *u, cs_real norm,
                 const cs_real *du, cs_real *dx)
{
    cs_real inverse = cs_inverse_norm(norm), along = rows->dot(D, u, du);
    rows->scale_add(D, inverse, du, 0, dx);
    rows->scale_add(D, -inverse * along, u, 1, dx);
}

/* dx = factor (d - along v): the same where the caller has <u, du> already, and rounded in another
 * order. v is u and along <u, du>, or v is x and along <u, du> / |x|. dx may be d. 3D FLOP. */
static inline void
cs_unit_backward_along(const CS_TYPED(cs_row_kernels) *rows, size_t D, cs_real factor,
                       cs_real along, const cs_real *v, const cs_real *d, cs_real *dx)
{
    rows->subtract(D, factor, d, along, v, dx);
}

/* dx [D], which may be d, from x itself where the unit vector is not at hand: it is formed entry by
 * entry, in the range of its type. 6D FLOP. */
static inline void
cs_unit_backward_from(const CS_TYPED(cs_row_kernels) *rows, size_t D, const cs_real *x,
                      cs_real norm, const cs_real *d, cs_real *dx)
{
    cs_real inverse = cs_inverse_norm(norm), along = 0;
#pragma omp simd reduction(+ : along)
    for (size_t i = 0; i < D; i++)
        along += x[i] * inverse * d[i];
    if (norm == 0)
        rows->scale_add(D, 0, x, 0, dx);
    else
        cs_unit_backward_along(rows, D, inverse, along * inverse, x, d, dx);
}

#endif
