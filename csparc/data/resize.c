#include "data/resize.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/cpu.h"

/* Rows turned at a time: one cache line of each column. */
enum { BLOCK = 64 };

/* Half the width of the bicubic filter, the wider of the two. */
#define WIDEST 2.0

/* The weights of one axis: `outputs` lists of up to `most` taps, each with its first input. */
typedef struct {
    size_t most;
    size_t *first, *taps;
    int32_t *weights;
} axis;

#ifdef CS_HAS_X86_ISAS
extern cs_weigh_rows cs_weigh_rows_portable, cs_weigh_rows_avx2, cs_weigh_rows_avx512;
static cs_weigh_rows *
weigh_rows(void)
{
    static cs_weigh_rows *const copies[CS_ISA_COUNT] = {
        [CS_ISA_PORTABLE] = cs_weigh_rows_portable,
        [CS_ISA_AVX2] = cs_weigh_rows_avx2,
        [CS_ISA_AVX512] = cs_weigh_rows_avx512,
    };
    return copies[cs_isa()];
}
#else
extern cs_weigh_rows cs_weigh_rows_portable;
static cs_weigh_rows *
weigh_rows(void)
{
    return cs_weigh_rows_portable;
}
#endif

static double
bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double
linear(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static size_t
most_taps(size_t inputs, size_t outputs)
{
    double scale = (double)inputs / (double)outputs;
    return (size_t)ceil(WIDEST * (scale < 1 ? 1 : scale)) * 2 + 1;
}

/* The weights of one axis before they are rounded go, one output at a time, to `tap` [most]. */
static void
fill_axis(size_t inputs, size_t outputs, int bilinear, axis *out, double *tap)
{
    double scale = (double)inputs / (double)outputs, stretch = scale < 1 ? 1 : scale;
    double support = (bilinear ? 1 : WIDEST) * stretch, inverse = 1 / stretch;
    for (size_t o = 0; o < outputs; o++) {
        double centre = ((double)o + 0.5) * scale, sum = 0;
        double low = centre - support + 0.5, high = centre + support + 0.5;
        size_t first = low < 0 ? 0 : (size_t)low;
        size_t last = (size_t)high > inputs ? inputs : (size_t)high;
        for (size_t i = first; i < last; i++) {
            double place = ((double)i - centre + 0.5) * inverse;
            tap[i - first] = bilinear ? linear(place) : bicubic(place);
            sum += tap[i - first];
        }
        for (size_t i = 0; i < last - first; i++) {
            double weight = (sum != 0 ? tap[i] / sum : tap[i]) * (1 << CS_WEIGHT_BITS);
            out->weights[o * out->most + i] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
        }
        out->first[o] = first;
        out->taps[o] = last - first;
    }
}

/* Eight bytes, the first the lowest. */
static uint64_t
load8(const uint8_t *from)
{
    uint64_t word;
    memcpy(&word, from, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static void
store8(uint8_t *to, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(to, &word, 8);
}

/* An 8 by 8 block of bytes turned about its diagonal: blocks of 4, then 2, then 1 change places. */
static void
turn8(const uint8_t *x, size_t x_row, uint8_t *y, size_t y_row)
{
    static const uint64_t masks[3] = {0x00000000FFFFFFFFu, 0x0000FFFF0000FFFFu,
                                      0x00FF00FF00FF00FFu};
    uint64_t rows[8];
    for (size_t r = 0; r < 8; r++)
        rows[r] = load8(x + r * x_row);
    for (size_t step = 0, apart = 4; step < 3; step++, apart /= 2) {
        for (size_t r = 0; r < 8; r++) {
            if (r & apart)
                continue;
            uint64_t change = ((rows[r] >> 8 * apart) ^ rows[r + apart]) & masks[step];
            rows[r + apart] ^= change;
            rows[r] ^= change << 8 * apart;
        }
    }
    for (size_t r = 0; r < 8; r++)
        store8(y + r * y_row, rows[r]);
}

/* y[c,r] = x[r,c]; rows lie x_row and y_row bytes apart. */
static void
turn(size_t rows, size_t columns, const uint8_t *x, size_t x_row, uint8_t *y, size_t y_row)
{
    size_t whole_rows = rows / 8 * 8, whole_columns = columns / 8 * 8;
    for (size_t c = 0; c < whole_columns; c += 8) {
        for (size_t r = 0; r < whole_rows; r += 8)
            turn8(x + r * x_row + c, x_row, y + c * y_row + r, y_row);
    }
    for (size_t c = 0; c < columns; c++) {
        for (size_t r = c < whole_columns ? whole_rows : 0; r < rows; r++)
            y[c * y_row + r] = x[r * x_row + c];
    }
}

typedef struct {
    axis across, down;
    double *tap;       /* of one output at a time */
    uint8_t *columns;  /* a block of rows of the crop, turned */
    uint8_t *weighed;  /* the same rows, weighed across, still turned */
    uint8_t *narrow;   /* all rows, weighed across */
} workspace;

static axis
layout_axis(size_t inputs, size_t outputs, cs_arena *arena)
{
    axis made = {.most = most_taps(inputs, outputs)};
    made.first = CS_TAKE(arena, size_t, outputs);
    made.taps = CS_TAKE(arena, size_t, outputs);
    made.weights = CS_TAKE(arena, int32_t, outputs, made.most);
    return made;
}

/* Of a crop of height x width to H x W. */
static workspace
layout(size_t height, size_t width, size_t H, size_t W, cs_arena *arena)
{
    workspace w;
    w.across = layout_axis(width, W, arena);
    w.down = layout_axis(height, H, arena);
    w.tap = CS_TAKE(arena, double, cs_size_plus(w.across.most, w.down.most));
    w.columns = CS_TAKE(arena, uint8_t, 3, width, BLOCK);
    w.weighed = CS_TAKE(arena, uint8_t, 3, W, BLOCK);
    w.narrow = CS_TAKE(arena, uint8_t, 3, W, height);
    return w;
}

size_t
cs_resize_scratch(size_t Y, size_t X, size_t H, size_t W)
{
    if (X == 0 || Y == 0 || W == 0 || H == 0)
        return 0;
    cs_arena counter = {NULL, 0};
    (void)layout(Y, X, H, W, &counter);
    return counter.used;
}

cs_status
cs_resize(size_t Y, size_t X, size_t H, size_t W, const uint8_t *x, cs_crop crop, int bilinear,
          uint8_t *z, void *scratch)
{
    if (W == 0 || H == 0 || crop.left < 0 || crop.top < 0 || crop.width < 1 || crop.height < 1 ||
        crop.left > (long long)X || crop.width > (long long)X - crop.left ||
        crop.top > (long long)Y || crop.height > (long long)Y - crop.top)
        return CS_EVALUE;
    size_t width = (size_t)crop.width, height = (size_t)crop.height;
    cs_arena arena = {scratch, 0};
    workspace w = layout(height, width, H, W, &arena);
    const axis *across = &w.across, *down = &w.down;
    fill_axis(width, W, bilinear, &w.across, w.tap);
    fill_axis(height, H, bilinear, &w.down, w.tap);

    cs_weigh_rows *weigh = weigh_rows();
    const uint8_t *corner = x + 3 * ((size_t)crop.top * X + (size_t)crop.left);
    for (size_t y = 0; y < height; y += BLOCK) {
        size_t rows = height - y < BLOCK ? height - y : BLOCK;
        turn(rows, 3 * width, corner + 3 * y * X, 3 * X, w.columns, rows);
        for (size_t k = 0; k < W; k++)
            weigh(across->taps[k], 3 * rows, across->weights + k * across->most,
                  w.columns + 3 * rows * across->first[k], 3 * rows, w.weighed + 3 * rows * k);
        turn(3 * W, rows, w.weighed, rows, w.narrow + 3 * W * y, 3 * W);
    }
    for (size_t h = 0; h < H; h++)
        weigh(down->taps[h], 3 * W, down->weights + h * down->most,
              w.narrow + 3 * W * down->first[h], 3 * W, z + 3 * W * h);
    return CS_OK;
}
