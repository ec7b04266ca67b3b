#include "loss/kernels/pairs.h"

#include "base/isa.h"
#include "la/elementary.h"
#include "loss/kernels/argmax.h"
#include "loss/kernels/softmax.h"

/* ln(1 + e) for 0 <= e <= 1, to relative precision down to the smallest e. */
static inline cs_real
log1p_of_fraction(cs_real e)
{
#ifdef CS_FLOAT64
    return log1p(e);
#else
    /* 2 artanh(s), s = e / (2 + e) <= 1/3; the series' next term is below 2e-9 of the sum. */
    float s = e / (2 + e), square = s * s;
    float p = 1.0f / 15;
    p = p * square + 1.0f / 13;
    p = p * square + 1.0f / 11;
    p = p * square + 1.0f / 9;
    p = p * square + 1.0f / 7;
    p = p * square + 1.0f / 5;
    p = p * square + 1.0f / 3;
    return 2 * s * (p * square + 1);
#endif
}

static void
sigmoid_tile(size_t R, size_t C, cs_real scale, cs_real bias, const cs_real *cosine, cs_real *g,
             double *sums)
{
    for (size_t r = 0; r < R; r++) {
        const cs_real *restrict x = cosine + r * C;
        cs_real *restrict out = g + r * C;
        cs_real loss = 0, total = 0, along = 0;
#pragma omp simd reduction(+ : loss, total, along)
        for (size_t k = 0; k < C; k++) {
            cs_real u = scale * x[k] + bias, size = fabs(u);
            cs_real e = cs_exp(-size), share = 1 / (1 + e);
            cs_real sigmoid = u > 0 ? share : e * share;
            loss += log1p_of_fraction(e) + (u > 0 ? u : 0);
            total += sigmoid;
            along += sigmoid * x[k];
            out[k] = sigmoid;
        }
        sums[0] += (double)loss;
        sums[1] += (double)along;
        sums[2] += (double)total;
    }
}

static void
patch_softmax(size_t P, size_t lanes, const cs_real *row, const cs_real *x, cs_real *a,
              cs_real *restrict top, cs_real *restrict total)
{
    for (size_t k = 0; k < lanes; k++) {
        top[k] = (cs_real)-INFINITY;
        total[k] = 0;
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict from = x + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            cs_real logit = row[p] * from[k];
            top[k] = logit > top[k] ? logit : top[k];
        }
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict from = x + p * lanes;
        cs_real *restrict out = a + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            out[k] = cs_exp(row[p] * from[k] - top[k]);
            total[k] += out[k];
        }
    }
    for (size_t k = 0; k < lanes; k++)
        total[k] = 1 / total[k];
    for (size_t p = 0; p < P; p++) {
        cs_real *restrict out = a + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++)
            out[k] *= total[k];
    }
}

static void
patch_weights(size_t P, size_t lanes, int sigmoid, const cs_real *row, const cs_real *x, cs_real *a,
              cs_real *top, cs_real *total)
{
    if (!sigmoid) {
        patch_softmax(P, lanes, row, x, a, top, total);
        return;
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict from = x + p * lanes;
        cs_real *restrict out = a + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++)
            out[k] = 1 / (1 + cs_exp(-row[p] * from[k]));
    }
}

static void
lane_dots(size_t P, size_t lanes, const cs_real *x, const cs_real *y, cs_real *restrict sum)
{
    for (size_t k = 0; k < lanes; k++)
        sum[k] = 0;
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict left = x + p * lanes, *restrict right = y + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++)
            sum[k] += left[k] * right[k];
    }
}

static void
patch_weights_backward(size_t P, size_t lanes, int sigmoid, const cs_real *row, const cs_real *e,
                       const cs_real *twice_f, const cs_real *mean, const cs_real *a, cs_real *x,
                       cs_real *ga, cs_real *along)
{
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict weight = a + p * lanes;
        cs_real *restrict similarity = x + p * lanes, *restrict gathered = ga + p * lanes;
        cs_real sum = 0, factor = row[p];
#pragma omp simd reduction(+ : sum)
        for (size_t k = 0; k < lanes; k++) {
            cs_real da = e[k] * similarity[k] + twice_f[k] * gathered[k] - mean[k];
            cs_real du = weight[k] * da * (sigmoid ? 1 - weight[k] : 1);
            sum += du * factor * similarity[k];
            gathered[k] = e[k] * weight[k] + factor * du;
            similarity[k] = weight[k] * twice_f[k];
        }
        along[p] += sum;
    }
}

extern const CS_TYPED(cs_pair_kernels) CS_KERNEL(cs_pair_kernels_of);
const CS_TYPED(cs_pair_kernels) CS_KERNEL(cs_pair_kernels_of) = {
    .sigmoid_tile = sigmoid_tile,
    .patch_weights = patch_weights,
    .lane_dots = lane_dots,
    .patch_weights_backward = patch_weights_backward,
    .lane_softmax = CS_KERNEL(cs_lane_softmax),
    .lane_softmax_backward = CS_KERNEL(cs_lane_softmax_backward),
    .lane_softmax_centre = CS_KERNEL(cs_lane_softmax_centre),
    .segment_softmax = CS_KERNEL(cs_segment_softmax),
    .segment_softmax_backward = CS_KERNEL(cs_segment_softmax_backward),
    .combine_lanes = CS_KERNEL(cs_combine_lanes),
    .best_rows = CS_KERNEL(cs_best_rows),
    .raise_bests = CS_KERNEL(cs_raise_bests),
    .gather_rows = CS_KERNEL(cs_gather_rows),
    .scatter_rows = CS_KERNEL(cs_scatter_rows),
    .take_chunk = CS_KERNEL(cs_take_chunk),
    .add_chunk = CS_KERNEL(cs_add_chunk),
};
