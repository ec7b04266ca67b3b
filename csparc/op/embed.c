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
    CS_EACH(n, N, cs_threads_for_entries(N, N * C),
            memcpy(y + n * C, weight + (size_t)ids[n] * C, C * sizeof *y));
    return CS_OK;
}

/* Rows of the table are dealt to threads by their index modulo CLASSES, so that frequent tokens,
 * which often have neighbouring indices, go to different threads; every class reads all of ids. */
enum { CLASSES = 16 };

static void
backward_class(size_t class, size_t C, size_t N, const int32_t *ids, const cs_real *dy,
               cs_real *dweight)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    for (size_t n = 0; n < N; n++) {
        if ((size_t)ids[n] % CLASSES == class)
            rows->scale_add(C, 1, dy + n * C, 1, dweight + (size_t)ids[n] * C);
    }
}

cs_status
CS_TYPED(cs_embed_backward)(size_t V, size_t C, size_t N, const int32_t *ids, const cs_real *dy,
                            cs_real *dweight)
{
    CS_TRY(check_ids(V, N, ids));
    CS_EACH_DYNAMIC(class, thread, CLASSES, cs_threads_for_entries(CLASSES, N * C),
                    backward_class(class, C, N, ids, dy, dweight));
    return CS_OK;
}
