#include "la/layer_rows.h"

#include "base/isa.h"
#include "la/elementary.h"

static void
layernorm_forward(size_t N, size_t C, cs_real eps, const cs_real *x, const cs_real *weight,
                  const cs_real *bias, cs_real *y, cs_real *mean, cs_real *rstd)
{
    for (size_t n = 0; n < N; n++, x += C, y += C) {
        cs_real sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < C; i++)
            sum += x[i];
        cs_real centre = sum / (cs_real)C;
#pragma omp simd reduction(+ : squares)
        for (size_t i = 0; i < C; i++)
            squares += (x[i] - centre) * (x[i] - centre);
        cs_real inverse = 1 / sqrt(squares / (cs_real)C + eps);
#pragma omp simd
        for (size_t i = 0; i < C; i++)
            y[i] = (x[i] - centre) * inverse * weight[i] + bias[i];
        mean[n] = centre;
        rstd[n] = inverse;
    }
}

/* With h = (x - mean) rstd and g = dy weight: dx = rstd (g - mean(g) - h mean(g h)). */
static void
layernorm_backward(size_t N, size_t C, const cs_real *x, const cs_real *weight,
                   const cs_real *mean, const cs_real *rstd, const cs_real *dy,
                   cs_real *dx, cs_real *dweight, cs_real *dbias)
{
    for (size_t n = 0; n < N; n++, x += C, dy += C) {
        cs_real centre = mean[n], inverse = rstd[n], sum = 0, along = 0;
        if (dweight != NULL) {
#pragma omp simd
            for (size_t i = 0; i < C; i++) {
                dweight[i] += dy[i] * ((x[i] - centre) * inverse);
                dbias[i] += dy[i];
            }
        }
        if (dx == NULL)
            continue;
#pragma omp simd reduction(+ : sum, along)
        for (size_t i = 0; i < C; i++) {
            sum += dy[i] * weight[i];
            along += dy[i] * weight[i] * ((x[i] - centre) * inverse);
        }
        sum /= (cs_real)C;
        along /= (cs_real)C;
#pragma omp simd
        for (size_t i = 0; i < C; i++)
            dx[i] = inverse * (dy[i] * weight[i] - sum - (x[i] - centre) * inverse * along);
        dx += C;
    }
}

static void
gelu_forward(size_t n, const cs_real *x, cs_real *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        cs_real density;
        y[i] = x[i] * cs_normal(x[i], &density);
    }
}

static void
gelu_backward(size_t n, const cs_real *x, const cs_real *dy, cs_real *dx)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        cs_real density, below = cs_normal(x[i], &density);
        dx[i] = dy[i] * (below + x[i] * density);
    }
}

#define QUICK ((cs_real)1.702)

static void
quick_gelu_forward(size_t n, const cs_real *x, cs_real *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / (1 + cs_exp(-QUICK * x[i]));
}

static void
quick_gelu_backward(size_t n, const cs_real *x, const cs_real *dy, cs_real *dx)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        cs_real s = 1 / (1 + cs_exp(-QUICK * x[i]));
        dx[i] = dy[i] * s * (1 + QUICK * x[i] * (1 - s));
    }
}

static void
relu_forward(size_t n, const cs_real *x, cs_real *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
}

static void
relu_backward(size_t n, const cs_real *x, const cs_real *dy, cs_real *dx)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        dx[i] = x[i] > 0 ? dy[i] : 0;
}

static cs_real
softmax(size_t n, cs_real scale, cs_real *s)
{
    cs_real largest = -(cs_real)INFINITY, sum = 0;
#pragma omp simd reduction(max : largest)
    for (size_t i = 0; i < n; i++)
        largest = largest < s[i] ? s[i] : largest;
    if (n == 0)
        return largest;
    largest *= scale;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) {
        s[i] = cs_exp(scale * s[i] - largest);
        sum += s[i];
    }
    cs_real inverse = 1 / sum;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        s[i] *= inverse;
    return largest + log(sum);
}

static void
softmax_again(size_t n, cs_real scale, cs_real lse, cs_real *s)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        s[i] = cs_exp(scale * s[i] - lse);
}

static void
softmax_backward(size_t n, cs_real scale, cs_real along, const cs_real *p, cs_real *dp)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        dp[i] = scale * p[i] * (dp[i] - along);
}

static void
column_sums(size_t N, size_t C, const cs_real *x, cs_real *sum)
{
    for (size_t n = 0; n < N; n++, x += C) {
#pragma omp simd
        for (size_t i = 0; i < C; i++)
            sum[i] += x[i];
    }
}

extern const CS_TYPED(cs_layer_kernels) CS_KERNEL(cs_layer_kernels_of);
const CS_TYPED(cs_layer_kernels) CS_KERNEL(cs_layer_kernels_of) = {
    .layernorm_forward = layernorm_forward,
    .layernorm_backward = layernorm_backward,
    .gelu_forward = gelu_forward,
    .gelu_backward = gelu_backward,
    .quick_gelu_forward = quick_gelu_forward,
    .quick_gelu_backward = quick_gelu_backward,
    .relu_forward = relu_forward,
    .relu_backward = relu_backward,
    .softmax = softmax,
    .softmax_again = softmax_again,
    .softmax_backward = softmax_backward,
    .column_sums = column_sums,
};
