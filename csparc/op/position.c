#include "op/position.h"

#include <string.h>

#include "base/real.h"
#include "la/rows.h"

cs_status
CS_TYPED(cs_position_forward)(size_t B, size_t T, size_t C, const cs_real *x,
                              const cs_real *position, cs_real *y)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR_IF(B * T * C > 65536)
    for (size_t b = 0; b < B; b++) {
        memcpy(y + b * T * C, x + b * T * C, T * C * sizeof *y);
        rows->scale_add(T * C, 1, position, 1, y + b * T * C);
    }
    return CS_OK;
}

cs_status
CS_TYPED(cs_position_backward)(size_t B, size_t T, size_t C, const cs_real *dy, cs_real *dposition)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR_IF(B * T * C > 65536)
    for (size_t t = 0; t < T; t++) {
        for (size_t b = 0; b < B; b++)
            rows->scale_add(C, 1, dy + (b * T + t) * C, 1, dposition + t * C);
    }
    return CS_OK;
}
