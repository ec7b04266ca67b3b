#include "op/layer_kernels.h"

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

/* sqrt(8 / pi) and the cubic part of it: 2 u = TWICE x + TWICE CUBE x^3. */
#define TWICE ((cs_real)1.5957691216057308)
#define CUBE ((cs_real)0.044715)
/* Beyond, s is 0 or 1 exactly, and its derivative 0: x^2 must not overflow and meet that 0. */
#define FLAT ((cs_real)40)

static void
gelu_tanh_forward(size_t n, const cs_real *x, cs_real *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        cs_real c = x[i] > FLAT ? FLAT : x[i] < -FLAT ? -FLAT : x[i];
        y[i] = x[i] / (1 + cs_exp(-TWICE * c * (1 + CUBE * c * c)));
    }
}

static void
gelu_tanh_backward(size_t n, const cs_real *x, const cs_real *dy, cs_real *dx)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        cs_real c = x[i] > FLAT ? FLAT : x[i] < -FLAT ? -FLAT : x[i], square = CUBE * c * c;
        cs_real s = 1 / (1 + cs_exp(-TWICE * c * (1 + square)));
        dx[i] = dy[i] * s * (1 + c * (1 - s) * TWICE * (1 + 3 * square));
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

/* The first lane that sees key k: W if none does. */
static size_t
first_lane(size_t k, size_t W, size_t first, int causal, const uint8_t *valid)
{
    if (valid != NULL && !valid[k])
        return W;
    size_t lane = causal && k > first ? k - first : 0;
    return lane < W ? lane : W;
}

/* lse holds the largest score of each lane, inverse the sum of what is left of them. */
static void
finish_weights(size_t W, cs_real scale, cs_real *lse, cs_real *inverse)
{
    for (size_t l = 0; l < W; l++) {
        cs_real sum = inverse[l];
        lse[l] = sum > 0 ? scale * lse[l] + log(sum) : -(cs_real)INFINITY;
        inverse[l] = sum > 0 ? 1 / sum : 0;
    }
}

static void
weights(size_t K, size_t W, size_t first, int causal, const uint8_t *valid, cs_real scale,
        cs_real *s, cs_real *lse, cs_real *inverse)
{
    cs_real *largest = lse, *sum = inverse;
    for (size_t l = 0; l < W; l++) {
        largest[l] = -(cs_real)INFINITY;
        sum[l] = 0;
    }
    for (size_t k = 0; k < K; k++) {
        const cs_real *row = s + k * W;
#pragma omp simd
        for (size_t l = first_lane(k, W, first, causal, valid); l < W; l++)
            largest[l] = largest[l] < row[l] ? row[l] : largest[l];
    }
    for (size_t k = 0; k < K; k++) {
        cs_real *row = s + k * W;
        size_t lane = first_lane(k, W, first, causal, valid);
        for (size_t l = 0; l < lane; l++)
            row[l] = 0;
#pragma omp simd
        for (size_t l = lane; l < W; l++) {
            row[l] = cs_exp(scale * (row[l] - largest[l]));
            sum[l] += row[l];
        }
    }
    finish_weights(W, scale, lse, inverse);
}

static void
weights_backward(size_t K, size_t W, size_t first, int causal, const uint8_t *valid, cs_real scale,
                 const cs_real *lse, const cs_real *along, cs_real *s, cs_real *dp)
{
    for (size_t k = 0; k < K; k++) {
        cs_real *row = s + k * W, *drow = dp + k * W;
        size_t lane = first_lane(k, W, first, causal, valid);
        for (size_t l = 0; l < lane; l++)
            row[l] = drow[l] = 0;
#pragma omp simd
        for (size_t l = lane; l < W; l++) {
            row[l] = cs_exp(scale * row[l] - lse[l]);
            drow[l] = scale * row[l] * (drow[l] - along[l]);
        }
    }
}

/* Whether lane l sees key k. */
#define SEES(l) ((fabs(w->x[l] - w->key_x[k]) <= w->reach[k]) & \
                 (fabs(w->y[l] - w->key_y[k]) <= w->reach[k]))

static void
window_weights(size_t K, size_t W, const CS_TYPED(cs_window) *w, cs_real scale, cs_real *s,
               cs_real *lse, cs_real *inverse)
{
    cs_real *largest = lse, *sum = inverse;
    for (size_t l = 0; l < W; l++) {
        largest[l] = -(cs_real)INFINITY;
        sum[l] = 0;
    }
    for (size_t k = 0; k < K; k++) {
        const cs_real *row = s + k * W;
#pragma omp simd
        for (size_t l = 0; l < W; l++)
            largest[l] = SEES(l) & (largest[l] < row[l]) ? row[l] : largest[l];
    }
    for (size_t k = 0; k < K; k++) {
        cs_real *row = s + k * W;
#pragma omp simd
        for (size_t l = 0; l < W; l++) {
            cs_real weight = cs_exp(scale * (row[l] - largest[l]));
            row[l] = SEES(l) ? weight : 0;
            sum[l] += row[l];
        }
    }
    finish_weights(W, scale, lse, inverse);
}

static void
window_weights_backward(size_t K, size_t W, const CS_TYPED(cs_window) *w, cs_real scale,
                        const cs_real *lse, const cs_real *along, cs_real *s, cs_real *dp)
{
    for (size_t k = 0; k < K; k++) {
        cs_real *row = s + k * W, *drow = dp + k * W;
#pragma omp simd
        for (size_t l = 0; l < W; l++) {
            cs_real weight = cs_exp(scale * row[l] - lse[l]);
            row[l] = SEES(l) ? weight : 0;
            drow[l] = SEES(l) ? scale * weight * (drow[l] - along[l]) : 0;
        }
    }
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
    .gelu_tanh_forward = gelu_tanh_forward,
    .gelu_tanh_backward = gelu_tanh_backward,
    .relu_forward = relu_forward,
    .relu_backward = relu_backward,
    .weights = weights,
    .weights_backward = weights_backward,
    .window_weights = window_weights,
    .window_weights_backward = window_weights_backward,
    .column_sums = column_sums,
};
