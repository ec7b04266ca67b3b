#include "op/pool.h"

#include <string.h>

#include "base/real.h"
#include "la/rows.h"

/* 1 / n_b, or 0. */
static cs_real
share(size_t T, const uint8_t *valid)
{
    size_t count = 0;
    for (size_t t = 0; t < T; t++)
        count += valid == NULL || valid[t] != 0;
    return count > 0 ? 1 / (cs_real)count : 0;
}

cs_status
CS_TYPED(cs_pool_forward)(size_t B, size_t T, size_t C, const cs_real *x, const uint8_t *valid,
                          cs_real *y)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR_IF(B * T * C > 65536)
    for (size_t b = 0; b < B; b++) {
        const uint8_t *mine = valid != NULL ? valid + b * T : NULL;
        cs_real weight = share(T, mine);
        memset(y + b * C, 0, C * sizeof *y);
        for (size_t t = 0; t < T; t++) {
            if (mine == NULL || mine[t])
                rows->scale_add(C, weight, x + (b * T + t) * C, 1, y + b * C);
        }
    }
    return CS_OK;
}

cs_status
CS_TYPED(cs_pool_backward)(size_t B, size_t T, size_t C, const uint8_t *valid, const cs_real *dy,
                           cs_real *dx)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_PARALLEL_FOR_IF(B * T * C > 65536)
    for (size_t b = 0; b < B; b++) {
        const uint8_t *mine = valid != NULL ? valid + b * T : NULL;
        cs_real weight = share(T, mine);
        for (size_t t = 0; t < T; t++) {
            if (mine == NULL || mine[t])
                rows->scale_add(C, weight, dy + b * C, 0, dx + (b * T + t) * C);
            else
                memset(dx + (b * T + t) * C, 0, C * sizeof *dx);
        }
    }
    return CS_OK;
}
