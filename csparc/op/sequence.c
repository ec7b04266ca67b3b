#include "op/sequence.h"

#include <string.h>

#include "base/real.h"
#include "la/rows.h"

static void
append_sample(size_t T, size_t R, size_t C, const cs_real *x, const cs_real *rows, cs_real *y)
{
    memcpy(y, x, T * C * sizeof *y);
    memcpy(y + T * C, rows, R * C * sizeof *y);
}

cs_status
CS_TYPED(cs_append_forward)(size_t B, size_t T, size_t R, size_t S, size_t C, const cs_real *x,
                            const cs_real *rows, cs_real *y)
{
    if (S != T + R)
        return CS_ESHAPE;
    CS_EACH(b, B, cs_threads_for_entries(B, B * S * C),
            append_sample(T, R, C, x + b * T * C, rows, y + b * S * C));
    return CS_OK;
}

cs_status
CS_TYPED(cs_append_backward)(size_t B, size_t T, size_t R, size_t S, size_t C, const cs_real *dy,
                             cs_real *dx, cs_real *drows)
{
    if (R > S || (dx != NULL && drows != NULL && S != T + R))
        return CS_ESHAPE;
    if (dx != NULL)
        CS_TRY(CS_TYPED(cs_leading_forward)(B, S, T, C, dy, dx));
    for (size_t b = 0; drows != NULL && b < B; b++)
        CS_TYPED(cs_rows)()->scale_add(R * C, 1, dy + (b * S + S - R) * C, 1, drows);
    return CS_OK;
}

cs_status
CS_TYPED(cs_leading_forward)(size_t B, size_t S, size_t T, size_t C, const cs_real *x, cs_real *y)
{
    if (T > S)
        return CS_ESHAPE;
    CS_EACH(b, B, cs_threads_for_entries(B, B * T * C),
            memcpy(y + b * T * C, x + b * S * C, T * C * sizeof *y));
    return CS_OK;
}

static void
pad_sample(size_t S, size_t T, size_t C, const cs_real *dy, cs_real *dx)
{
    memcpy(dx, dy, T * C * sizeof *dx);
    memset(dx + T * C, 0, (S - T) * C * sizeof *dx);
}

cs_status
CS_TYPED(cs_leading_backward)(size_t B, size_t S, size_t T, size_t C, const cs_real *dy,
                              cs_real *dx)
{
    if (T > S)
        return CS_ESHAPE;
    CS_EACH(b, B, cs_threads_for_entries(B, B * S * C),
            pad_sample(S, T, C, dy + b * T * C, dx + b * S * C));
    return CS_OK;
}
