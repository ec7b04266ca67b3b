#include "op/l2norm.h"

#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"

cs_status
CS_TYPED(cs_l2norm_forward)(size_t N, size_t D, const cs_real *x, cs_real *y, cs_real *norm)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR_IF(N * D > 65536)
    for (size_t n = 0; n < N; n++) {
        cs_real length = cs_norm(rows, D, x + n * D);
        int dead = length <= CS_DEAD_NORM;
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
    CS_PARALLEL_FOR_IF(N * D > 65536)
    for (size_t n = 0; n < N; n++) {
        cs_real inverse = norm[n] == 0 ? 0 : 1 / norm[n];
        cs_real along = rows->dot(D, y + n * D, dy + n * D);
        rows->scale_add(D, inverse, dy + n * D, 0, dx + n * D);
        rows->scale_add(D, -inverse * along, y + n * D, 1, dx + n * D);
    }
    return CS_OK;
}
