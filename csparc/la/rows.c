#include "la/rows.h"

#include "base/isa.h"

static cs_real
dot(size_t n, const cs_real *x, const cs_real *y)
{
    cs_real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static void
scale_add(size_t n, cs_real a, const cs_real *x, cs_real b, cs_real *y)
{
    if (b == 0) {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            y[i] = a * x[i];
        return;
    }
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = a * x[i] + b * y[i];
}

/* A strip of columns stays in registers from the first row to the last. */
static void
add_rows(size_t M, size_t n, cs_real a, const cs_real *x, cs_real *y)
{
    enum { STRIP = 64 };
    size_t begin = 0;
    for (; begin + STRIP <= n; begin += STRIP) {
        cs_real sum[STRIP];
        for (size_t i = 0; i < STRIP; i++)
            sum[i] = y[begin + i];
        for (size_t m = 0; m < M; m++) {
            const cs_real *row = x + m * n + begin;
#pragma omp simd
            for (size_t i = 0; i < STRIP; i++)
                sum[i] += a * row[i];
        }
        for (size_t i = 0; i < STRIP; i++)
            y[begin + i] = sum[i];
    }
    for (size_t m = 0; begin < n && m < M; m++)
        scale_add(n - begin, a, x + m * n + begin, 1, y + begin);
}

static void
subtract(size_t n, cs_real a, const cs_real *d, cs_real b, const cs_real *x, cs_real *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = a * (d[i] - b * x[i]);
}

extern const CS_TYPED(cs_row_kernels) CS_KERNEL(cs_row_kernels_of);
const CS_TYPED(cs_row_kernels) CS_KERNEL(cs_row_kernels_of) = {
    .dot = dot,
    .scale_add = scale_add,
    .add_rows = add_rows,
    .subtract = subtract,
};
