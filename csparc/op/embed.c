#include "op/embed.h"

#include <string.h>

#include "base/real.h"
#include "la/rows.h"

static cs_status
check_ids(size_t V, size_t N, const int32_t *ids)
{
    for (size_t n = 0; n < N; n++) {
        if (ids[n] < 0 || (size_t)ids[n] >= V)
            return CS_EINDEX;
    }
    return CS_OK;
}

cs_status
CS_TYPED(cs_embed_forward)(size_t V, size_t C, size_t N, const cs_real *weight, const int32_t *ids,
                           cs_real *y)
{
    CS_TRY(check_ids(V, N, ids));
    CS_PARALLEL_FOR_IF(N * C > 65536)
    for (size_t n = 0; n < N; n++)
        memcpy(y + n * C, weight + (size_t)ids[n] * C, C * sizeof *y);
    return CS_OK;
}

/* The table is dealt out in residue classes, so that frequent neighbours fall to different threads;
 * each class reads all of ids. */
cs_status
CS_TYPED(cs_embed_backward)(size_t V, size_t C, size_t N, const int32_t *ids, const cs_real *dy,
                            cs_real *dweight)
{
    enum { CLASSES = 16 };
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    CS_TRY(check_ids(V, N, ids));
    CS_PARALLEL_FOR_DYNAMIC
    for (int class = 0; class < CLASSES; class++) {
        for (size_t n = 0; n < N; n++) {
            if (ids[n] % CLASSES == class)
                rows->scale_add(C, 1, dy + n * C, 1, dweight + (size_t)ids[n] * C);
        }
    }
    return CS_OK;
}
