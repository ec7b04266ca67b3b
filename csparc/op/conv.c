#include "op/conv.h"

#include "base/arena.h"
#include "base/real.h"
#include "la/tiles.h"

typedef struct {
    cs_real *packed; /* panels of output channels, each [9C, up to CS_CONV_PANEL] */
    cs_real *padded; /* an image of each thread */
    size_t bytes;
} forward_scratch;

static forward_scratch
lay_forward(const cs_conv_shape *shape, size_t threads, void *memory)
{
    cs_arena arena = {memory, 0};
    forward_scratch s;
    s.packed = CS_TAKE(&arena, cs_real, CS_TAPS * CS_TAPS, shape->C, shape->M);
    s.padded = CS_TAKE(&arena, cs_real, threads, cs_conv_view_of(shape).size);
    s.bytes = arena.used;
    return s;
}

size_t
CS_TYPED(cs_conv_forward_scratch)(const cs_conv_shape *shape, size_t threads)
{
    return cs_conv_check(shape) == CS_OK ? lay_forward(shape, threads, NULL).bytes : 0;
}

static void
pack_weight(const cs_conv_shape *shape, const cs_real *weight, cs_real *packed)
{
    const size_t C = shape->C, K = CS_TAPS * CS_TAPS * C;
    for (size_t m = 0; m < shape->M; m++) {
        const size_t begin = m / CS_CONV_PANEL * CS_CONV_PANEL;
        const size_t wide = cs_conv_panel_from(begin, shape->M);
        cs_real *to = packed + begin * K + (m - begin);
        for (size_t c = 0; c < C; c++)
            for (size_t u = 0; u < CS_TAPS; u++)
                for (size_t v = 0; v < CS_TAPS; v++)
                    to[cs_conv_row(shape, c, u, v) * wide] = *weight++;
    }
}

/* The next rows of a result, ahead of their being written. */
static void
fetch_rows(size_t count, size_t stride, size_t wide, const cs_real *rows)
{
    enum { LINE = 64 / sizeof(cs_real) };
    for (size_t n = 0; n < count; n++)
        for (size_t k = 0; k < wide; k += LINE)
            __builtin_prefetch(rows + n * stride + k, 1, 2);
}

/* All rows of one image, a panel of channels after the other. */
static void
forward_padded(const cs_conv_shape *shape, const cs_real *padded, const cs_real *packed,
               const cs_real *bias, cs_real *y)
{
    const size_t M = shape->M, K = CS_TAPS * shape->C;
    const cs_conv_view view = cs_conv_view_of(shape);
    for (size_t m = 0; m < M; m += CS_CONV_PANEL) {
        const size_t wide = cs_conv_panel_from(m, M);
        for (size_t i = 0; i < shape->R; i++) {
            CS_TYPED(cs_term) terms[CS_TAPS];
            for (size_t q = 0; q < CS_TAPS; q++)
                terms[q] = (CS_TYPED(cs_term)){K, padded + i * view.down + q * view.tap,
                                               view.across, view.step,
                                               packed + (CS_TAPS * m + q * wide) * K, wide};
            const CS_TYPED(cs_result) row = {.c = y + i * shape->S * M + m, .c_row = M,
                                             .rows = bias != NULL ? bias + m : NULL};
            fetch_rows(shape->S, M, wide, row.c + shape->S * M);
            CS_TYPED(cs_product)(shape->S, wide, CS_TAPS, terms, &row);
        }
    }
}

static void
forward_image(const cs_conv_shape *shape, const forward_scratch *s, size_t thread,
              const cs_real *x, const cs_real *bias, cs_real *y)
{
    cs_real *padded = s->padded + thread * cs_conv_view_of(shape).size;
    CS_TYPED(cs_conv_pad)(shape, x, padded);
    forward_padded(shape, padded, s->packed, bias, y);
}

cs_status
CS_TYPED(cs_conv_forward)(const cs_conv_shape *shape, const cs_real *x, const cs_real *weight,
                          const cs_real *bias, cs_real *y, size_t threads, void *scratch)
{
    CS_TRY(cs_conv_check(shape));
    const forward_scratch s = lay_forward(shape, threads, scratch);
    const size_t image = shape->Y * shape->X * shape->C, result = shape->R * shape->S * shape->M;
    const size_t terms = shape->B * result * CS_TAPS * CS_TAPS * shape->C;
    pack_weight(shape, weight, s.packed);
    CS_EACH_DYNAMIC(b, thread, shape->B, cs_threads_for(threads, shape->B, terms),
                    forward_image(shape, &s, thread, x + b * image, bias, y + b * result));
    return CS_OK;
}
