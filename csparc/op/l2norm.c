#include "op/l2norm.h"

#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"

static void
forward_row(size_t D, const cs_real *x, cs_real *y, cs_real *norm)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    cs_real length = cs_norm(rows, D, x);
    int dead = length <= CS_DEAD_NORM;
    *norm = dead ? 0 : length;
    rows->scale_add(D, dead ? 0 : 1 / length, x, 0, y);
}

static void
backward_row(size_t D, const cs_real *y, cs_real norm, const cs_real *dy, cs_real *dx)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    cs_real inverse = norm == 0 ? 0 : 1 / norm;
    cs_real along = rows->dot(D, y, dy);
    rows->scale_add(D, inverse, dy, 0, dx);
    rows->scale_add(D, -inverse * along, y, 1, dx);
}

cs_status
CS_TYPED(cs_l2norm_forward)(size_t N, size_t D, const cs_real *x, cs_real *y, cs_real *norm)
{
    CS_EACH(n, N, cs_threads_if(N * D > 65536),
            forward_row(D, x + n * D, y + n * D, norm + n));
    return CS_OK;
}

cs_status
CS_TYPED(cs_l2norm_backward)(size_t N, size_t D, const cs_real *y, const cs_real *norm,
                             const cs_real *dy, cs_real *dx)
{
    CS_EACH(n, N, cs_threads_if(N * D > 65536),
            backward_row(D, y + n * D, norm[n], dy + n * D, dx + n * D));
    return CS_OK;
}
