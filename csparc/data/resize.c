#include "data/resize.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/cpu.h"

/* Half the width of the bicubic filter, the wider of the two. */
#define WIDEST 2.0

typedef struct {
    cs_weigh_across *across;
    cs_weigh_down *down;
} kernels;

#define DECLARE(isa)                                                                               \
    extern cs_weigh_across cs_weigh_across_##isa;                                                  \
    extern cs_weigh_down cs_weigh_down_##isa;
#define KERNELS(isa) {cs_weigh_across_##isa, cs_weigh_down_##isa}

DECLARE(portable)
#ifdef CS_HAS_X86_ISAS
DECLARE(avx2)
DECLARE(avx512)
#endif

static const kernels copies[CS_ISA_COUNT] = {
    [CS_ISA_PORTABLE] = KERNELS(portable),
#ifdef CS_HAS_X86_ISAS
    [CS_ISA_AVX2] = KERNELS(avx2),
    [CS_ISA_AVX512] = KERNELS(avx512),
#endif
};

static double
bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    double near = ((a + 2) * x - (a + 3)) * x * x + 1, far = (((x - 5) * x + 8) * x - 4) * a;
    return x < 1 ? near : x < 2 ? far : 0;
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

/* Tap t of a list of pairs. */
static void
put_weight(int16_t *pairs, size_t t, int32_t weight)
{
    int16_t *pair = pairs + t / 2 * 4 + t % 2;
    pair[0] = (int16_t)(weight >> CS_LOW_BITS);
    pair[2] = (int16_t)(weight & ((1 << CS_LOW_BITS) - 1));
}

/* Outputs begin at multiples of `step`, 1 or 2. The weights of one output before they are rounded
 * go to `tap` [most_taps]. */
static void
fill_axis(size_t inputs, int bilinear, size_t step, cs_resize_axis *out, double *tap)
{
    double scale = (double)inputs / (double)out->outputs, stretch = scale < 1 ? 1 : scale;
    double support = (bilinear ? 1 : WIDEST) * stretch, inverse = 1 / stretch;
    for (size_t o = 0; o < out->outputs; o++) {
        double centre = ((double)o + 0.5) * scale, sum = 0;
        double low = centre - support + 0.5, high = centre + support + 0.5;
        size_t first = low < 0 ? 0 : (size_t)low;
        size_t last = (size_t)high > inputs ? inputs : (size_t)high;
        for (size_t i = first; i < last; i++) {
            double place = ((double)i - centre + 0.5) * inverse;
            tap[i - first] = bilinear ? linear(place) : bicubic(place);
            sum += tap[i - first];
        }
        int16_t *pairs = out->weights + o * out->most * 4;
        size_t before = first % step;
        out->first[o] = first - before;
        out->pairs[o] = (last - first + before + 1) / 2;
        memset(pairs, 0, out->pairs[o] * 4 * sizeof *pairs);
        for (size_t i = 0; i < last - first; i++) {
            double weight = (sum != 0 ? tap[i] / sum : tap[i]) * (1 << CS_WEIGHT_BITS);
            put_weight(pairs, i + before, (int32_t)(weight + copysign(0.5, weight)));
        }
    }
}

typedef struct {
    cs_resize_axis across, down;
    double *tap;     /* of one output at a time */
    int16_t *planes; /* of cs_weigh_across */
    size_t row;
    uint8_t *narrow; /* all rows, weighed across, and one that a last pair weighs 0 */
} workspace;

static cs_resize_axis
layout_axis(size_t inputs, size_t outputs, cs_arena *arena)
{
    cs_resize_axis made = {.outputs = outputs, .most = most_taps(inputs, outputs) / 2 + 1};
    made.first = CS_TAKE(arena, size_t, outputs);
    made.pairs = CS_TAKE(arena, size_t, outputs);
    made.weights = CS_TAKE(arena, int16_t, outputs, made.most, 4);
    return made;
}

/* Of a crop of height x width to H x W. */
static workspace
layout(size_t height, size_t width, size_t H, size_t W, cs_arena *arena)
{
    const size_t line = 64;
    workspace w;
    w.across = layout_axis(width, W, arena);
    w.down = layout_axis(height, H, arena);
    w.tap = CS_TAKE(arena, double, cs_size_plus(2 * w.across.most, 2 * w.down.most));
    w.planes = CS_TAKE(arena, int16_t, width / 4 + 1, CS_TURNED_GROUP);
    w.row = cs_size_times(cs_size_plus(cs_size_times(3, W), 16) / line + 1, line);
    w.narrow = CS_TAKE(arena, uint8_t, w.row, (height / CS_ROWS + 1) * CS_ROWS + 1);
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
    fill_axis(width, bilinear, 2, &w.across, w.tap);
    fill_axis(height, bilinear, 1, &w.down, w.tap);

    kernels run = copies[cs_isa()];
    const uint8_t *corner = x + 3 * ((size_t)crop.top * X + (size_t)crop.left);
    for (size_t y = 0; y < height; y += CS_ROWS) {
        size_t rows = height - y < CS_ROWS ? height - y : CS_ROWS;
        run.across(&w.across, width, rows, corner + 3 * y * X, 3 * X, w.planes,
                   w.narrow + y * w.row, w.row);
    }
    for (size_t h = 0; h < H; h++)
        run.down(w.down.pairs[h], 3 * W, w.down.weights + 4 * h * w.down.most,
                 w.narrow + w.down.first[h] * w.row, w.row, z + 3 * W * h);
    return CS_OK;
}
