#include "op/conv_input.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/tiles.h"

/* dx: a padded pixel (p,q) gathers dy[i,j] weight[u,v] over i = (p - u) / s, j = (q - v) / s where
 * these are whole. With stride 2 that is a few kernel columns for even q and the others for odd q:
 * a class of pixels is one product a row, whose terms are the kernel rows, and in each the columns
 * lie next to each other in dy. */
typedef struct {
    size_t first, every, count; /* its pixels: q = first, first + every, ... */
    size_t at;                  /* where its first pixel starts in a row of dy with its border */
    size_t slot, columns;       /* kernel columns, as stored: from slot on */
} pixel_class;

/* Zeros that a row of dy has on both sides, so that every pixel of a class has all its columns. */
static size_t
margin(const cs_conv_shape *shape)
{
    return shape->stride == 1 ? 2 : 1;
}

/* Kernel columns in the order dy has them: falling; the odd class last. */
static size_t
slot_of(const cs_conv_shape *shape, size_t v)
{
    static const size_t falling[CS_TAPS] = {2, 1, 0}, odd_last[CS_TAPS] = {1, 2, 0};
    return (shape->stride == 1 ? falling : odd_last)[v];
}

static size_t
classes_of(const cs_conv_shape *shape, pixel_class out[2])
{
    const size_t S = shape->S;
    if (shape->stride == 1) {
        out[0] = (pixel_class){0, 1, S + 2, 0, 0, 3};
        return 1;
    }
    out[0] = (pixel_class){0, 2, S + 1, 0, 0, 2};
    out[1] = (pixel_class){1, 2, S, 1, 2, 1};
    return 2;
}

typedef struct {
    cs_real *packed; /* panels of input channels, each [3, 3, M, up to CS_CONV_PANEL] */
    cs_real *dy;     /* an image of each thread, [R, S + 2 margins, M] */
    cs_real *dx;     /* an image of each thread, [Y+2, X+2, C] */
    size_t dy_size, dx_size, bytes;
} input_scratch;

static input_scratch
lay_input(const cs_conv_shape *shape, size_t threads, void *memory)
{
    cs_arena arena = {memory, 0};
    input_scratch s;
    s.dy_size = CS_SIZE(shape->R, shape->S + 2 * margin(shape), shape->M);
    s.dx_size = cs_conv_view_of(shape).size;
    s.packed = CS_TAKE(&arena, cs_real, CS_TAPS * CS_TAPS, shape->C, shape->M);
    s.dy = CS_TAKE(&arena, cs_real, threads, s.dy_size);
    s.dx = CS_TAKE(&arena, cs_real, threads, s.dx_size);
    s.bytes = arena.used;
    return s;
}

static void
pack_turned(const cs_conv_shape *shape, const cs_real *weight, cs_real *packed)
{
    const size_t M = shape->M, C = shape->C;
    for (size_t m = 0; m < M; m++) {
        for (size_t c = 0; c < C; c++) {
            const size_t begin = c / CS_CONV_PANEL * CS_CONV_PANEL;
            const size_t wide = cs_conv_panel_from(begin, C);
            cs_real *to = packed + CS_TAPS * CS_TAPS * M * begin + m * wide + (c - begin);
            for (size_t u = 0; u < CS_TAPS; u++)
                for (size_t v = 0; v < CS_TAPS; v++)
                    to[(u * CS_TAPS + slot_of(shape, v)) * M * wide] = *weight++;
        }
    }
}

/* The pixels of one class in padded row p, channels from c on. */
static void
gradient_row(const cs_conv_shape *shape, const pixel_class *class, size_t p, size_t c,
             const input_scratch *s)
{
    const size_t M = shape->M, C = shape->C, wide = cs_conv_panel_from(c, C);
    const size_t line = (shape->S + 2 * margin(shape)) * M;
    CS_TYPED(cs_term) terms[CS_TAPS];
    size_t count = 0;
    for (size_t u = 0; u < CS_TAPS; u++) {
        if (p < u || (p - u) % shape->stride != 0 || (p - u) / shape->stride >= shape->R)
            continue;
        terms[count++] = (CS_TYPED(cs_term)){
            class->columns * M, s->dy + (p - u) / shape->stride * line + class->at * M, M, 1,
            s->packed + CS_TAPS * CS_TAPS * M * c + (u * CS_TAPS + class->slot) * M * wide, wide};
    }
    cs_real *to = s->dx + (p * (shape->X + 2) + class->first) * C + c;
    CS_TYPED(cs_product)(class->count, wide, count, terms,
                         &(CS_TYPED(cs_result)){.c = to, .c_row = class->every * C});
}

static void
gradient_image(const cs_conv_shape *shape, const cs_real *dy, const input_scratch *s, cs_real *dx)
{
    const size_t M = shape->M, side = margin(shape) * M, line = shape->S * M;
    const size_t rows = shape->stride == 1 ? shape->Y + 2 : shape->Y + 1;
    pixel_class classes[2];
    const size_t count = classes_of(shape, classes);
    for (size_t i = 0; i < shape->R; i++) {
        cs_real *to = s->dy + i * (line + 2 * side);
        memset(to, 0, side * sizeof *to);
        memcpy(to + side, dy + i * line, line * sizeof *to);
        memset(to + side + line, 0, side * sizeof *to);
    }
    for (size_t c = 0; c < shape->C; c += CS_CONV_PANEL)
        for (size_t p = 0; p < rows; p++)
            for (size_t k = 0; k < count; k++)
                gradient_row(shape, &classes[k], p, c, s);
    CS_TYPED(cs_conv_fold)(shape, s->dx, dx);
}

static void
gradient_sample(const cs_conv_shape *shape, size_t b, size_t thread, const cs_real *dy,
                const input_scratch *s, cs_real *dx)
{
    input_scratch mine = *s;
    mine.dy += thread * s->dy_size;
    mine.dx += thread * s->dx_size;
    gradient_image(shape, dy + b * shape->R * shape->S * shape->M, &mine,
                   dx + b * shape->Y * shape->X * shape->C);
}

size_t
CS_TYPED(cs_conv_input_scratch)(const cs_conv_shape *shape, size_t threads)
{
    return lay_input(shape, threads, NULL).bytes;
}

void
CS_TYPED(cs_conv_input_gradient)(const cs_conv_shape *shape, const cs_real *weight,
                                 const cs_real *dy, cs_real *dx, size_t threads, void *scratch)
{
    const input_scratch s = lay_input(shape, threads, scratch);
    pack_turned(shape, weight, s.packed);
    CS_EACH_DYNAMIC(b, thread, shape->B, threads,
                    gradient_sample(shape, b, thread, dy, &s, dx));
}
