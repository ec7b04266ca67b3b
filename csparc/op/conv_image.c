#include "op/conv_image.h"

#include <string.h>

#include "base/real.h"
#include "base/size.h"
#include "la/rows.h"

#ifndef CS_FLOAT64
cs_status
cs_conv_check(const cs_conv_shape *shape)
{
    const size_t s = shape->stride;
    if (s != 1 && s != 2)
        return CS_EVALUE;
    const int whole = shape->Y == s * shape->R && shape->X == s * shape->S;
    const int some = shape->Y > 0 && shape->X > 0 && shape->C > 0 && shape->M > 0;
    return whole && some ? CS_OK : CS_ESHAPE;
}

cs_conv_view
cs_conv_view_of(const cs_conv_shape *shape)
{
    const size_t s = shape->stride, C = shape->C, wide = shape->X + 2;
    const size_t line = CS_SIZE(wide, C), size = CS_SIZE(shape->Y + 2, line);
    if (shape->planar)
        return (cs_conv_view){line, size, .tap = 1, .step = wide, .across = s, .down = s * line};
    return (cs_conv_view){line, size, .tap = line, .step = 1, .across = s * C, .down = s * line};
}

size_t
cs_conv_row(const cs_conv_shape *shape, size_t c, size_t u, size_t v)
{
    const size_t tap = shape->planar ? v : u, within = shape->planar ? u : v;
    return (tap * CS_TAPS + within) * shape->C + c;
}
#endif

/* Where padded row `row` of the image comes from. */
static size_t
source_row(size_t row, size_t Y)
{
    return row == 0 ? 0 : row > Y ? Y - 1 : row - 1;
}

/* A row of X pixels of C numbers, with the pixels at its ends once more. */
static void
pad_row(size_t X, size_t C, const cs_real *from, cs_real *to)
{
    for (size_t c = 0; c < C; c++) {
        to[c] = from[c];
        to[(X + 1) * C + c] = from[(X - 1) * C + c];
    }
    memcpy(to + C, from, X * C * sizeof *to);
}

void
CS_TYPED(cs_conv_pad)(const cs_conv_shape *shape, const cs_real *x, cs_real *padded)
{
    const size_t Y = shape->Y, X = shape->X, C = shape->C, line = cs_conv_view_of(shape).line;
    for (size_t c = 0; shape->planar && c < C; c++)
        for (size_t row = 0; row < Y + 2; row++)
            pad_row(X, 1, x + (c * Y + source_row(row, Y)) * X, padded + row * line + c * (X + 2));
    for (size_t row = 0; !shape->planar && row < Y + 2; row++)
        pad_row(X, C, x + source_row(row, Y) * X * C, padded + row * line);
}

void
CS_TYPED(cs_conv_fold)(const cs_conv_shape *shape, cs_real *dpadded, cs_real *dx)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const size_t Y = shape->Y, X = shape->X, C = shape->C, line = (X + 2) * C;
    const size_t read = shape->stride == 1 ? Y + 2 : Y + 1; /* rows that outputs read */
    for (size_t row = 0; row < read; row++) {
        cs_real *ends = dpadded + row * line;
        rows->scale_add(C, 1, ends, 1, ends + C);
        if (shape->stride == 1)
            rows->scale_add(C, 1, ends + (X + 1) * C, 1, ends + X * C);
    }
    rows->scale_add(X * C, 1, dpadded + C, 1, dpadded + line + C);
    if (shape->stride == 1)
        rows->scale_add(X * C, 1, dpadded + (Y + 1) * line + C, 1, dpadded + Y * line + C);
    for (size_t y = 0; y < Y; y++) {
        const cs_real *from = dpadded + (y + 1) * line + C;
        if (!shape->planar) {
            memcpy(dx + y * X * C, from, X * C * sizeof *dx);
            continue;
        }
        for (size_t c = 0; c < C; c++)
            for (size_t i = 0; i < X; i++)
                dx[(c * Y + y) * X + i] = from[i * C + c];
    }
}
