#include "op/position.h"

#include <string.h>

#include "base/real.h"
#include "la/rows.h"

static void
forward_sample(size_t T, size_t S, size_t C, const cs_real *x, const cs_real *position, cs_real *y)
{
    memcpy(y, x, T * C * sizeof *y);
    CS_TYPED(cs_rows)()->scale_add(S * C, 1, position, 1, y);
}

cs_status
CS_TYPED(cs_position_forward)(size_t B, size_t T, size_t S, size_t C, const cs_real *x,
                              const cs_real *position, cs_real *y)
{
    if (S > T)
        return CS_ESHAPE;
    CS_EACH(b, B, cs_threads_for_entries(B, B * T * C),
            forward_sample(T, S, C, x + b * T * C, position, y + b * T * C));
    return CS_OK;
}

/* One position, whose gradients in the samples are T rows apart. */
static void
backward_position(size_t B, size_t T, size_t C, const cs_real *dy, cs_real *dposition)
{
    for (size_t b = 0; b < B; b++)
        CS_TYPED(cs_rows)()->scale_add(C, 1, dy + b * T * C, 1, dposition);
}

cs_status
CS_TYPED(cs_position_backward)(size_t B, size_t T, size_t S, size_t C, const cs_real *dy,
                               cs_real *dposition)
{
    if (S > T)
        return CS_ESHAPE;
    CS_EACH(t, S, cs_threads_for_entries(S, B * S * C),
            backward_position(B, T, C, dy + t * C, dposition + t * C));
    return CS_OK;
}
