#include "op/pool.h"

#include <string.h>

#include "base/real.h"
#include "la/bf16_product.h"
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

/* Rows up to this width are added several at a time, with the sums in registers. Wider ones are
 * added one by one: the processor fetches ahead only memory that is read in order (35 GB/s a core
 * instead of 11). */
enum { SHORT = 64 };

static void
forward_sample(size_t T, size_t C, const cs_real *x, const uint8_t *valid, cs_real *y)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    cs_real weight = share(T, valid);
    memset(y, 0, C * sizeof *y);
    for (size_t begin = 0, end = 0; begin < T; begin = end + 1) { /* runs of valid rows */
        for (end = begin; end < T && (valid == NULL || valid[end]); end++)
            ;
        if (C <= SHORT)
            rows->add_rows(end - begin, C, weight, x + begin * C, y);
        for (size_t t = begin; C > SHORT && t < end; t++)
            rows->scale_add(C, weight, x + t * C, 1, y);
    }
}

static void
backward_sample(size_t T, size_t C, const uint8_t *valid, const cs_real *dy, cs_real *dx)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    cs_real weight = share(T, valid);
    for (size_t t = 0; t < T; t++) {
        if (valid == NULL || valid[t])
            rows->scale_add(C, weight, dy, 0, dx + t * C);
        else
            memset(dx + t * C, 0, C * sizeof *dx);
    }
}

static const uint8_t *
of_sample(size_t b, size_t T, const uint8_t *valid)
{
    return valid == NULL ? NULL : valid + b * T;
}

cs_status
CS_TYPED(cs_pool_forward)(size_t B, size_t T, size_t C, const cs_real *x, const uint8_t *valid,
                          cs_real *y)
{
    CS_EACH(b, B, cs_threads_for_entries(B, B * T * C),
            forward_sample(T, C, x + b * T * C, of_sample(b, T, valid), y + b * C));
    return CS_OK;
}

#ifndef CS_FLOAT64
static void
bits_sample(size_t T, size_t C, const uint16_t *x, const uint8_t *valid, float *y)
{
    float weight = share(T, valid);
    memset(y, 0, C * sizeof *y);
    for (size_t begin = 0, end = 0; begin < T; begin = end + 1) {
        for (end = begin; end < T && (valid == NULL || valid[end]); end++)
            ;
        for (size_t t = begin, step = C <= SHORT ? end - begin : 1; t < end; t += step)
            cs_bf16_add(step, C, weight, x + t * C, y);
    }
}

cs_status
cs_pool_bits(size_t B, size_t T, size_t C, const uint16_t *x, const uint8_t *valid, float *y)
{
    CS_EACH(b, B, cs_threads_for_entries(B, B * T * C),
            bits_sample(T, C, x + b * T * C, of_sample(b, T, valid), y + b * C));
    return CS_OK;
}
#endif

cs_status
CS_TYPED(cs_pool_backward)(size_t B, size_t T, size_t C, const uint8_t *valid, const cs_real *dy,
                           cs_real *dx)
{
    CS_EACH(b, B, cs_threads_for_entries(B, B * T * C),
            backward_sample(T, C, of_sample(b, T, valid), dy + b * C, dx + b * T * C));
    return CS_OK;
}
