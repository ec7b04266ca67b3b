#include "loss/kernels.h"

#include "base/isa.h"
#include "la/elementary.h"

#define EPS_RANGE ((cs_real)1e-6)

/* Minimum (first patch that attains it) and maximum of every lane. A NaN is passed over here and
 * caught by the sum that follows. */
static void
range_of_lanes(size_t P, size_t lanes, const cs_real *restrict s, cs_real *restrict low,
               cs_real *restrict high, int32_t *restrict lowest)
{
    for (size_t k = 0; k < lanes; k++) {
        low[k] = (cs_real)INFINITY;
        high[k] = (cs_real)-INFINITY;
        lowest[k] = 0;
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict row = s + p * lanes;
        int32_t here = (int32_t)p;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            lowest[k] = row[k] < low[k] ? here : lowest[k];
            low[k] = row[k] < low[k] ? row[k] : low[k];
            high[k] = row[k] > high[k] ? row[k] : high[k];
        }
    }
}

static void
minmax_forward(size_t P, size_t lanes, cs_real sigma, cs_real fill, const cs_real *s,
               CS_TYPED(cs_lane_state) state, cs_real *weights)
{
    cs_real *restrict low = state.low, *restrict cut = state.cut, *restrict kept = state.kept;
    cs_real *restrict divisor = state.divisor, *restrict live = state.live;
    range_of_lanes(P, lanes, s, low, cut, state.lowest);
    for (size_t k = 0; k < lanes; k++) {
        cs_real span = cut[k] - low[k], size = fmax(fabs(low[k]), fabs(cut[k]));
        /* An infinite range is an overflow, not a degenerate row: the caller sees it in Z'. */
        live[k] = !(span <= EPS_RANGE * size && span >= 0 && span <= CS_REAL_MAX);
        cut[k] = sigma * span;
        divisor[k] = kept[k] = 0;
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict row = s + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            cs_real rise = row[k] - low[k];
            divisor[k] += rise < cut[k] ? 0 : rise; /* a NaN is kept */
            kept[k] += rise < cut[k] ? (cs_real)0 : (cs_real)1;
        }
    }
    for (size_t k = 0; k < lanes; k++) {
        divisor[k] = live[k] != 0 ? divisor[k] : 1;
        kept[k] = live[k] != 0 ? kept[k] : fill > 0 ? (cs_real)P : 0;
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict row = s + p * lanes;
        cs_real *restrict out = weights + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            cs_real rise = row[k] - low[k];
            cs_real weight = (rise < cut[k] ? 0 : rise) / divisor[k];
            out[k] = live[k] != 0 ? weight : fill;
        }
    }
}

/* gbar of every lane: sum_p a g. */
static void
mean_gradient(size_t P, size_t lanes, const cs_real *weights, const cs_real *g,
              cs_real *restrict mean)
{
    for (size_t k = 0; k < lanes; k++)
        mean[k] = 0;
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict a = weights + p * lanes, *restrict row = g + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++)
            mean[k] += a[k] * row[k];
    }
}

static void
minmax_backward(size_t P, size_t lanes, const cs_real *s, CS_TYPED(cs_lane_state) state,
                const cs_real *weights, const cs_real *g, cs_real *ds)
{
    const cs_real *restrict low = state.low, *restrict cut = state.cut;
    const cs_real *restrict divisor = state.divisor, *restrict live = state.live;
    cs_real *restrict mean = state.mean, *restrict total = state.total;
    mean_gradient(P, lanes, weights, g, mean);
    for (size_t k = 0; k < lanes; k++)
        total[k] = 0;
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict row = s + p * lanes, *restrict gradient = g + p * lanes;
        cs_real *restrict out = ds + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            cs_real centred = (gradient[k] - mean[k]) / divisor[k];
            centred = row[k] - low[k] < cut[k] ? 0 : centred;
            centred = live[k] != 0 ? centred : 0;
            out[k] = centred;
            total[k] += centred;
        }
    }
    for (size_t k = 0; k < lanes; k++)
        ds[(size_t)state.lowest[k] * lanes + k] -= total[k];
}

static void
softmax_forward(size_t P, size_t lanes, const cs_real *s, CS_TYPED(cs_lane_state) state,
                cs_real *weights)
{
    cs_real *restrict top = state.low, *restrict divisor = state.divisor;
    const cs_real *restrict factor = state.factor;
    for (size_t k = 0; k < lanes; k++) {
        top[k] = (cs_real)-INFINITY;
        divisor[k] = 0;
        state.live[k] = 1;
        state.kept[k] = (cs_real)P;
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict row = s + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            cs_real logit = factor[k] * row[k];
            top[k] = logit > top[k] ? logit : top[k];
        }
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict row = s + p * lanes;
        cs_real *restrict out = weights + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            out[k] = cs_exp(factor[k] * row[k] - top[k]);
            divisor[k] += out[k];
        }
    }
    for (size_t p = 0; p < P; p++) {
        cs_real *restrict out = weights + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++)
            out[k] /= divisor[k];
    }
}

static void
softmax_backward(size_t P, size_t lanes, const cs_real *s, CS_TYPED(cs_lane_state) state,
                 const cs_real *weights, const cs_real *g, cs_real *ds)
{
    const cs_real *restrict factor = state.factor;
    cs_real *restrict mean = state.mean, *restrict total = state.total;
    mean_gradient(P, lanes, weights, g, mean);
    for (size_t k = 0; k < lanes; k++)
        total[k] = 0;
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict row = s + p * lanes, *restrict gradient = g + p * lanes;
        const cs_real *restrict a = weights + p * lanes;
        cs_real *restrict out = ds + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            cs_real centred = a[k] * (gradient[k] - mean[k]);
            total[k] += centred * row[k];
            out[k] = centred * factor[k];
        }
    }
}

static void
tile_states(size_t R, size_t C, const cs_real *u, cs_real *row_top, cs_real *row_sum,
            cs_real *column_top, cs_real *column_sum)
{
    cs_real *restrict top = column_top, *restrict sum = column_sum;
    for (size_t k = 0; k < C; k++) {
        top[k] = CS_MASKED;
        sum[k] = 0;
    }
    for (size_t r = 0; r < R; r++) {
        const cs_real *restrict row = u + r * C;
        cs_real largest = CS_MASKED, total = 0;
#pragma omp simd reduction(max : largest)
        for (size_t k = 0; k < C; k++)
            largest = row[k] > largest ? row[k] : largest;
#pragma omp simd reduction(+ : total)
        for (size_t k = 0; k < C; k++)
            total += cs_exp(row[k] - largest);
#pragma omp simd
        for (size_t k = 0; k < C; k++)
            top[k] = row[k] > top[k] ? row[k] : top[k];
        row_top[r] = largest;
        row_sum[r] = total;
    }
    for (size_t r = 0; r < R; r++) {
        const cs_real *restrict row = u + r * C;
#pragma omp simd
        for (size_t k = 0; k < C; k++)
            sum[k] += cs_exp(row[k] - top[k]);
    }
}

static void
tile_gradient(size_t R, size_t C, cs_real weight, const cs_real *u, const cs_real *row_lse,
              const cs_real *column_lse, cs_real *g)
{
    for (size_t r = 0; r < R; r++) {
        const cs_real *restrict row = u + r * C, *restrict lse = column_lse;
        cs_real *restrict out = g + r * C;
        cs_real own = row_lse[r];
#pragma omp simd
        for (size_t k = 0; k < C; k++)
            out[k] = weight * (cs_exp(row[k] - own) + cs_exp(row[k] - lse[k]));
    }
}

static void
scale_outer(size_t R, size_t C, const cs_real *row, const cs_real *lane, cs_real *x)
{
    for (size_t r = 0; r < R; r++) {
        cs_real *restrict out = x + r * C;
        const cs_real *restrict factor = lane;
        cs_real own = row[r];
#pragma omp simd
        for (size_t k = 0; k < C; k++)
            out[k] *= own * factor[k];
    }
}

static void
column_dot(size_t R, size_t C, const cs_real *x, const cs_real *y, cs_real *sum)
{
    for (size_t r = 0; r < R; r++) {
        const cs_real *restrict left = x + r * C, *restrict right = y + r * C;
        cs_real *restrict out = sum;
#pragma omp simd
        for (size_t k = 0; k < C; k++)
            out[k] += left[k] * right[k];
    }
}

extern const CS_TYPED(cs_loss_kernels) CS_KERNEL(cs_loss_kernels_of);
const CS_TYPED(cs_loss_kernels) CS_KERNEL(cs_loss_kernels_of) = {
    .minmax_forward = minmax_forward,
    .minmax_backward = minmax_backward,
    .softmax_forward = softmax_forward,
    .softmax_backward = softmax_backward,
    .tile_states = tile_states,
    .tile_gradient = tile_gradient,
    .scale_outer = scale_outer,
    .column_dot = column_dot,
};
