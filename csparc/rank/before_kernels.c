#include "rank/before.h"

#include "base/isa.h"

/* Scores counted at once, and sums of a dot product: whole vectors of every instruction set. */
enum { SPAN = 64, SUMS = 16 };

typedef struct {
    float scale, low, high;
} row_bounds;

static inline int
is_near(float x, float low, float high, float column_low, float column_high)
{
    return ((x >= low) & (x <= high)) | ((x >= column_low) & (x <= column_high));
}

/* Counts n scores; whether one of them is near. */
static inline __attribute__((always_inline)) int
count_span(size_t n, const float *x, row_bounds row, const float *column_low,
           const float *column_high, int32_t *above, int64_t *before)
{
    int32_t higher = 0, any = 0;
#pragma omp simd reduction(+ : higher) reduction(| : any)
    for (size_t j = 0; j < n; j++) {
        float score = x[j] * row.scale;
        higher += score > row.high;
        above[j] += score > column_high[j];
        any |= is_near(score, row.low, row.high, column_low[j], column_high[j]);
    }
    *before += higher;
    return any;
}

static size_t
list_near(size_t first, size_t n, const float *x, row_bounds row, const float *column_low,
          const float *column_high, uint16_t *near)
{
    size_t count = 0;
    for (size_t j = first; j < first + n; j++) {
        if (is_near(x[j] * row.scale, row.low, row.high, column_low[j], column_high[j]))
            near[count++] = (uint16_t)j;
    }
    return count;
}

static size_t
count(size_t n, const float *x, float scale, float low, float high, const float *column_low,
      const float *column_high, int32_t *above, int64_t *before, uint16_t *near)
{
    const row_bounds row = {scale, low, high};
    size_t found = 0, j = 0;
    for (; j + SPAN <= n; j += SPAN) {
        if (count_span(SPAN, x + j, row, column_low + j, column_high + j, above + j, before))
            found += list_near(j, SPAN, x, row, column_low, column_high, near + found);
    }
    if (count_span(n - j, x + j, row, column_low + j, column_high + j, above + j, before))
        found += list_near(j, n - j, x, row, column_low, column_high, near + found);
    return found;
}

static double
dot(size_t n, const cs_real *x, const cs_real *y)
{
    double sum[SUMS] = {0}, total = 0;
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS) {
#pragma omp simd
        for (size_t s = 0; s < SUMS; s++)
            sum[s] += (double)x[i + s] * y[i + s];
    }
    for (size_t s = 0; i + s < n; s++)
        sum[s] += (double)x[i + s] * y[i + s];
    for (size_t s = 0; s < SUMS; s++)
        total += sum[s];
    return total;
}

extern const CS_TYPED(cs_before_kernels) CS_KERNEL(cs_before_kernels_of);
const CS_TYPED(cs_before_kernels) CS_KERNEL(cs_before_kernels_of) = {count, dot};
