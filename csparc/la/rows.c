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

extern const CS_TYPED(cs_row_kernels) CS_KERNEL(cs_row_kernels_of);
const CS_TYPED(cs_row_kernels) CS_KERNEL(cs_row_kernels_of) = {
    .dot = dot,
    .scale_add = scale_add,
};
