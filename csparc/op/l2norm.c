#include "op/l2norm.h"

#include "base/real.h"
#include "la/rows.h"

#define DEAD_NORM ((cs_real)1e-12)

/* Squares of entries above 1e19 overflow a float, of entries below 1e-19 vanish. */
static cs_real
norm_of(const CS_TYPED(cs_row_kernels) *rows, size_t D, const cs_real *x)
{
    cs_real squares = rows->dot(D, x, x);
    if (squares > CS_REAL_EPSILON && squares <= CS_REAL_MAX)
        return sqrt(squares);
    cs_real largest = 0, sum = 0;
    for (size_t d = 0; d < D; d++)
        largest = fmax(largest, fabs(x[d]));
    if (!(largest > 0 && largest <= CS_REAL_MAX))
        return sqrt(squares); /* zeros stay zero, NaN and infinity propagate */
    for (size_t d = 0; d < D; d++)
        sum += (x[d] / largest) * (x[d] / largest);
    return largest * sqrt(sum);
}

cs_status
CS_TYPED(cs_l2norm_forward)(size_t N, size_t D, const cs_real *x, cs_real *y, cs_real *norm)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR
    for (size_t n = 0; n < N; n++) {
        cs_real length = norm_of(rows, D, x + n * D);
        int dead = length <= DEAD_NORM;
        norm[n] = dead ? 0 : length;
        rows->scale_add(D, dead ? 0 : 1 / length, x + n * D, 0, y + n * D);
    }
    return CS_OK;
}

cs_status
CS_TYPED(cs_l2norm_backward)(size_t N, size_t D, const cs_real *y, const cs_real *norm,
                             const cs_real *dy, cs_real *dx)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR
    for (size_t n = 0; n < N; n++) {
        cs_real inverse = norm[n] == 0 ? 0 : 1 / norm[n];
        cs_real along = rows->dot(D, y + n * D, dy + n * D);
        rows->scale_add(D, inverse, dy + n * D, 0, dx + n * D);
        rows->scale_add(D, -inverse * along, y + n * D, 1, dx + n * D);
    }
    return CS_OK;
}
