#include <string.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/real.h"
#include "la/rows.h"
#include "la/tiles.h"
#include "op/conv.h"
#include "op/conv_input.h"

/* Columns that are summed in registers at a time (la/rows.h). */
enum { STRIP = 64 };

/* Rows of outputs in one product of dweight, at most. */
enum { MOST_ROWS = 32 };

/* How the sum of dweight over images is cut: G blocks of `length` images, whose taps are shared out
 * among threads where a tap is work enough. Images are taken `group` at a time, so that a sum goes
 * on for a while once it is in registers. */
typedef struct {
    size_t G, length, tasks, group;
} image_cut;

static image_cut
cut_images(const cs_conv_shape *shape)
{
    enum { MANY = 16, FEW = 4, LARGE = 32768, LONG = 256 };
    const int large = CS_SIZE(CS_TAPS * CS_TAPS, shape->C, shape->M) > LARGE;
    const size_t most = large ? FEW : MANY, outputs = CS_SIZE(shape->R, shape->S);
    const size_t length = cs_ceil_divide(shape->B, most);
    if (length == 0)
        return (image_cut){0, 1, 1, 1};
    return (image_cut){cs_ceil_divide(shape->B, length), length, large ? CS_TAPS : 1,
                       cs_least(length, 1 + (LONG - 1) / outputs)};
}

typedef struct {
    cs_real *part, *bias;   /* [G, 9C, M], [G, M] */
    cs_real *padded, *wide; /* of each thread: a group of images; long rows of dy */
    size_t padded_size, wide_size, bytes;
} weight_scratch;

static weight_scratch
lay_weight(const cs_conv_shape *shape, size_t threads, void *memory)
{
    cs_arena arena = {memory, 0};
    const image_cut cut = cut_images(shape);
    const size_t area = CS_SIZE(CS_TAPS * CS_TAPS, shape->C, shape->M);
    weight_scratch s;
    s.padded_size = cs_size_times(cut.group, cs_conv_view_of(shape).size);
    s.wide_size = cs_size_times(STRIP, shape->M);
    s.part = CS_TAKE(&arena, cs_real, cut.G, area);
    s.bias = CS_TAKE(&arena, cs_real, cut.G, shape->M);
    s.padded = CS_TAKE(&arena, cs_real, threads, s.padded_size);
    s.wide = CS_TAKE(&arena, cs_real, threads, s.wide_size);
    s.bytes = arena.used;
    return s;
}

/* sum [3C,M] of one tap over `count` rows of outputs from row n of a group of images on; or added
 * to it. */
static void
add_tap(const cs_conv_shape *shape, size_t tap, size_t n, size_t count, const cs_real *padded,
        const cs_real *dy, int add, cs_real *sum)
{
    const size_t M = shape->M, S = shape->S;
    const cs_conv_view view = cs_conv_view_of(shape);
    CS_TYPED(cs_term) terms[MOST_ROWS];
    for (size_t t = 0; t < count; t++) {
        const size_t image = (n + t) / shape->R, i = (n + t) % shape->R;
        terms[t] = (CS_TYPED(cs_term)){
            S, padded + image * view.size + i * view.down + tap * view.tap, view.step, view.across,
            dy + (n + t) * S * M, M};
    }
    CS_TYPED(cs_product)(CS_TAPS * shape->C, M, count, terms,
                         &(CS_TYPED(cs_result)){.c = sum, .c_row = M, .rows = add ? sum : NULL,
                                                .rows_row = M});
}

/* sum [M] += the rows of dy [N,M]: several taken as one, so that they fill whole strips of columns
 * that are summed in registers. */
static void
add_rows(size_t N, size_t M, const cs_real *dy, cs_real *wide, cs_real *sum)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const size_t even = M & (~M + 1), fold = even < STRIP ? STRIP / even : 1;
    memset(wide, 0, fold * M * sizeof *wide);
    rows->add_rows(N / fold, fold * M, 1, dy, wide);
    rows->add_rows(fold, M, 1, wide, sum);
    rows->add_rows(N % fold, M, 1, dy + N / fold * fold * M, sum);
}

/* One block of images: all taps of dweight and dbias, or the tap of task `index` % 3 and, with the
 * first of them, dbias. */
static void
weight_task(const cs_conv_shape *shape, const image_cut *cut, size_t index, size_t thread,
            const cs_real *x, const cs_real *dy, const weight_scratch *s, int weight, int bias)
{
    const size_t image = shape->Y * shape->X * shape->C, outputs = shape->R * shape->S;
    const size_t M = shape->M, area = CS_TAPS * shape->C * M;
    const size_t block = index / cut->tasks, first = block * cut->length;
    const size_t end = cs_least(first + cut->length, shape->B);
    const size_t tap = index % cut->tasks, taps = weight ? CS_TAPS / cut->tasks : 0;
    cs_real *padded = s->padded + thread * s->padded_size;
    if (tap == 0)
        memset(s->bias + block * M, 0, M * sizeof(cs_real));
    for (size_t b = first, count; b < end; b += count) {
        count = cs_least(end - b, cut->group);
        for (size_t n = 0; weight && n < count; n++)
            CS_TYPED(cs_conv_pad)(shape, x + (b + n) * image,
                                  padded + n * cs_conv_view_of(shape).size);
        for (size_t n = 0, rows; n < count * shape->R; n += rows) {
            rows = cs_least(count * shape->R - n, MOST_ROWS);
            for (size_t q = tap; q < tap + taps; q++)
                add_tap(shape, q, n, rows, padded, dy + b * outputs * M, b > first || n > 0,
                        s->part + (block * CS_TAPS + q) * area);
        }
        if (bias && tap == 0)
            add_rows(count * outputs, M, dy + b * outputs * M, s->wide + thread * s->wide_size,
                     s->bias + block * M);
    }
}

/* dweight[:,c] [M,3,3] += the sum of the parts [9C,M], in order. */
static void
add_channel(const cs_conv_shape *shape, size_t G, size_t c, cs_real *part, cs_real *dweight)
{
    const size_t C = shape->C, M = shape->M, K = CS_TAPS * CS_TAPS * C;
    for (size_t u = 0; u < CS_TAPS; u++) {
        for (size_t v = 0; v < CS_TAPS; v++) {
            cs_real *sum = part + cs_conv_row(shape, c, u, v) * M;
            for (size_t g = 1; g < G; g++)
                CS_TYPED(cs_rows)()->scale_add(M, 1, sum + g * K * M, 1, sum);
            for (size_t m = 0; m < M; m++)
                dweight[((m * C + c) * CS_TAPS + u) * CS_TAPS + v] += sum[m];
        }
    }
}

/* Gradients of the parameters; either may be NULL. */
static void
parameter_gradients(const cs_conv_shape *shape, const cs_real *x, const cs_real *dy,
                    cs_real *dweight, cs_real *dbias, size_t threads, void *scratch)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const weight_scratch s = lay_weight(shape, threads, scratch);
    const image_cut cut = cut_images(shape);
    const size_t area = CS_TAPS * CS_TAPS * shape->C * shape->M;
    CS_EACH_DYNAMIC(index, thread, cut.G * cut.tasks, threads,
                    weight_task(shape, &cut, index, thread, x, dy, &s, dweight != NULL,
                                dbias != NULL));
    if (dweight != NULL)
        CS_EACH(c, shape->C, cs_threads_for_entries(shape->C, cut.G * area),
                add_channel(shape, cut.G, c, s.part, dweight));
    if (dbias != NULL)
        rows->add_rows(cut.G, shape->M, 1, s.bias, dbias);
}

static size_t
most(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t
CS_TYPED(cs_conv_backward_scratch)(const cs_conv_shape *shape, size_t threads)
{
    if (cs_conv_check(shape) != CS_OK)
        return 0;
    return most(lay_weight(shape, threads, NULL).bytes,
                CS_TYPED(cs_conv_input_scratch)(shape, threads));
}

cs_status
CS_TYPED(cs_conv_backward)(const cs_conv_shape *shape, const cs_real *x, const cs_real *weight,
                           const cs_real *dy, cs_real *dx, cs_real *dweight, cs_real *dbias,
                           size_t threads, void *scratch)
{
    CS_TRY(cs_conv_check(shape));
    const size_t rows = shape->B * shape->R * shape->S;
    const size_t work = rows * CS_TAPS * CS_TAPS * shape->C * shape->M;
    threads = cs_threads_for(threads, shape->B, work);
    if (shape->B > 0 && (dweight != NULL || dbias != NULL))
        parameter_gradients(shape, x, dy, dweight, dbias, threads, scratch);
    if (dx != NULL)
        CS_TYPED(cs_conv_input_gradient)(shape, weight, dy, dx, threads, scratch);
    return CS_OK;
}
