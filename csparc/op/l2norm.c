#include "op/l2norm.h"

#include "base/real.h"
#include "la/rows.h"
#include "la/unit_vector.h"

cs_status
CS_TYPED(cs_l2norm_forward)(size_t N, size_t D, const cs_real *x, cs_real *y, cs_real *norm)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_EACH(n, N, cs_threads_for_entries(N, N * D),
            norm[n] = cs_unit_forward(rows, D, x + n * D, y + n * D));
    return CS_OK;
}

cs_status
CS_TYPED(cs_l2norm_backward)(size_t N, size_t D, const cs_real *y, const cs_real *norm,
                             const cs_real *dy, cs_real *dx)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_EACH(n, N, cs_threads_for_entries(N, N * D),
            cs_unit_backward(rows, D, y + n * D, norm[n], dy + n * D, dx + n * D));
    return CS_OK;
}
