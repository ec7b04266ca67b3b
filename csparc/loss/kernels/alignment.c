#include "loss/kernels/alignment.h"

#include "base/isa.h"
#include "loss/kernels/lanes.h"

#define EPS_RANGE ((cs_real)1e-6)

/* Vectors of CS_LANES tokens are taken two at a time, a last one alone: what is kept of them while
 * the patches pass stays in registers, and a cache line of every row is used whole. A kernel is a
 * function of the number of vectors W, a constant after inlining, and of the first lane k. */
#define FOR_TWO_VECTORS(lanes, kernel, ...)                                    \
    do {                                                                       \
        size_t k = 0;                                                          \
        for (; k + 2 * CS_LANES <= (lanes); k += 2 * CS_LANES)                 \
            kernel(2, k, __VA_ARGS__);                                         \
        if (k < (lanes))                                                       \
            kernel(1, k, __VA_ARGS__);                                         \
    } while (0)
#define EACH(w) for (size_t w = 0; w < W; w++)
enum { W_MOST = 2 };

CS_INLINE cs_lanes
absolute(cs_lanes x)
{
    return cs_upper(x, -x);
}

/* Minimum and maximum of columns, and from them what separates kept from dropped. A NaN is passed
 * over here and caught by the sum that follows. */
CS_INLINE void
range_of_columns(size_t W, size_t k, size_t P, size_t lanes, cs_real sigma, const cs_real *s,
                 const CS_TYPED(cs_lane_state) *state)
{
    cs_lanes low[W_MOST], high[W_MOST];
    EACH(w) high[w] = -(low[w] = cs_splat((cs_real)INFINITY));
    for (size_t p = 0; p < P; p++) {
        EACH(w) {
            cs_lanes x = cs_load(s + p * lanes + k + w * CS_LANES);
            low[w] = cs_lower(x, low[w]);
            high[w] = cs_upper(x, high[w]);
        }
    }
    EACH(w) {
        size_t at = k + w * CS_LANES;
        cs_lanes span = high[w] - low[w], size = cs_upper(absolute(low[w]), absolute(high[w]));
        /* An infinite range is an overflow, not a degenerate row: the caller sees it in Z'. */
        cs_truth degenerate = (span <= EPS_RANGE * size) & (span >= 0) & (span <= CS_REAL_MAX);
        cs_store(state->low + at, low[w]);
        cs_store(state->cut + at, sigma * span);
        cs_store(state->live + at, cs_select(degenerate, cs_splat(0), cs_splat(1)));
    }
}

/* Z', the number kept, and the first patch that attains the minimum. */
CS_INLINE void
sum_of_columns(size_t W, size_t k, size_t P, size_t lanes, cs_real fill, const cs_real *s,
               const CS_TYPED(cs_lane_state) *state)
{
    cs_lanes low[W_MOST], cut[W_MOST], divisor[W_MOST], first[W_MOST];
    cs_truth dropped[W_MOST]; /* minus their number */
    EACH(w) {
        low[w] = cs_load(state->low + k + w * CS_LANES);
        cut[w] = cs_load(state->cut + k + w * CS_LANES);
        divisor[w] = cs_splat(0);
        dropped[w] = divisor[w] != divisor[w];
        first[w] = cs_splat((cs_real)(P - 1));
    }
    for (size_t p = 0; p < P; p++) {
        cs_lanes here = cs_splat((cs_real)p);
        EACH(w) {
            cs_lanes x = cs_load(s + p * lanes + k + w * CS_LANES), rise = x - low[w];
            cs_truth drop = rise < cut[w]; /* a NaN is kept */
            divisor[w] += cs_select(drop, cs_splat(0), rise);
            dropped[w] += drop;
            first[w] = cs_lower(cs_select(x == low[w], here, first[w]), first[w]);
        }
    }
    EACH(w) {
        size_t at = k + w * CS_LANES;
        cs_truth live = cs_load(state->live + at) != 0;
        cs_lanes all = cs_splat((cs_real)P);
        cs_lanes kept = all + __builtin_convertvector(dropped[w], cs_lanes);
        cs_store(state->divisor + at, cs_select(live, divisor[w], cs_splat(1)));
        cs_store(state->kept + at, cs_select(live, kept, fill > 0 ? all : cs_splat(0)));
        for (size_t i = 0; i < CS_LANES; i++)
            state->lowest[at + i] = (int32_t)first[w][i];
    }
}

CS_INLINE void
minmax_columns(size_t W, size_t k, size_t P, size_t lanes, cs_real sigma, cs_real fill,
               const cs_real *s, const CS_TYPED(cs_lane_state) *state, cs_real *weights)
{
    cs_lanes low[W_MOST], cut[W_MOST], divisor[W_MOST], given[W_MOST];
    range_of_columns(W, k, P, lanes, sigma, s, state);
    sum_of_columns(W, k, P, lanes, fill, s, state);
    EACH(w) {
        size_t at = k + w * CS_LANES;
        cs_truth live = cs_load(state->live + at) != 0;
        low[w] = cs_load(state->low + at);
        /* A degenerate column: drop every patch for the same weight. */
        cut[w] = cs_select(live, cs_load(state->cut + at), cs_splat((cs_real)INFINITY));
        given[w] = cs_select(live, cs_splat(0), cs_splat(fill));
        divisor[w] = cs_load(state->divisor + at);
    }
    for (size_t p = 0; p < P; p++) {
        EACH(w) {
            size_t at = p * lanes + k + w * CS_LANES;
            cs_lanes rise = cs_load(s + at) - low[w];
            cs_store(weights + at, cs_select(rise < cut[w], given[w], rise / divisor[w]));
        }
    }
}

static void
minmax_forward(size_t P, size_t lanes, cs_real sigma, cs_real fill, const cs_real *s,
               CS_TYPED(cs_lane_state) state, cs_real *weights)
{
    FOR_TWO_VECTORS(lanes, minmax_columns, P, lanes, sigma, fill, s, &state, weights);
}

/* gbar of columns: sum_p a g. */
CS_INLINE void
mean_gradient(size_t W, size_t k, size_t P, size_t lanes, const cs_real *weights, const cs_real *g,
              cs_lanes *mean)
{
    EACH(w) mean[w] = cs_splat(0);
    for (size_t p = 0; p < P; p++) {
        EACH(w) {
            size_t at = p * lanes + k + w * CS_LANES;
            mean[w] = cs_madd(cs_load(weights + at), cs_load(g + at), mean[w]);
        }
    }
}

CS_INLINE void
minmax_backward_columns(size_t W, size_t k, size_t P, size_t lanes, const cs_real *s,
                        const CS_TYPED(cs_lane_state) *state, const cs_real *weights,
                        const cs_real *g, cs_real *ds)
{
    cs_lanes mean[W_MOST], low[W_MOST], cut[W_MOST], divisor[W_MOST], total[W_MOST];
    mean_gradient(W, k, P, lanes, weights, g, mean);
    EACH(w) {
        size_t at = k + w * CS_LANES;
        cs_truth live = cs_load(state->live + at) != 0;
        low[w] = cs_load(state->low + at);
        cut[w] = cs_select(live, cs_load(state->cut + at), cs_splat((cs_real)INFINITY));
        divisor[w] = cs_load(state->divisor + at);
        total[w] = cs_splat(0);
    }
    for (size_t p = 0; p < P; p++) {
        EACH(w) {
            size_t at = p * lanes + k + w * CS_LANES;
            cs_lanes centred = (cs_load(g + at) - mean[w]) / divisor[w];
            cs_truth drop = cs_load(s + at) - low[w] < cut[w];
            centred = cs_select(drop, cs_splat(0), centred);
            cs_store(ds + at, centred);
            total[w] += centred;
        }
    }
    EACH(w) {
        for (size_t i = 0, lane = k + w * CS_LANES; i < CS_LANES; i++, lane++)
            ds[(size_t)state->lowest[lane] * lanes + lane] -= total[w][i];
    }
}

static void
minmax_backward(size_t P, size_t lanes, const cs_real *s, CS_TYPED(cs_lane_state) state,
                const cs_real *weights, const cs_real *g, cs_real *ds)
{
    FOR_TWO_VECTORS(lanes, minmax_backward_columns, P, lanes, s, &state, weights, g, ds);
}

CS_INLINE void
softmax_columns(size_t W, size_t k, size_t P, size_t lanes, const cs_real *s,
                const CS_TYPED(cs_lane_state) *state, cs_real *weights)
{
    cs_lanes factor[W_MOST], top[W_MOST], divisor[W_MOST];
    EACH(w) {
        factor[w] = cs_load(state->factor + k + w * CS_LANES);
        top[w] = cs_splat((cs_real)-INFINITY);
        divisor[w] = cs_splat(0);
    }
    for (size_t p = 0; p < P; p++)
        EACH(w) top[w] = cs_upper(factor[w] * cs_load(s + p * lanes + k + w * CS_LANES), top[w]);
    for (size_t p = 0; p < P; p++) {
        EACH(w) {
            size_t at = p * lanes + k + w * CS_LANES;
            cs_lanes weight = cs_exp_lanes(factor[w] * cs_load(s + at) - top[w]);
            cs_store(weights + at, weight);
            divisor[w] += weight;
        }
    }
    for (size_t p = 0; p < P; p++) {
        EACH(w) {
            size_t at = p * lanes + k + w * CS_LANES;
            cs_store(weights + at, cs_load(weights + at) / divisor[w]);
        }
    }
    EACH(w) {
        size_t at = k + w * CS_LANES;
        cs_store(state->low + at, top[w]);
        cs_store(state->divisor + at, divisor[w]);
        cs_store(state->live + at, cs_splat(1));
        cs_store(state->kept + at, cs_splat((cs_real)P));
    }
}

static void
softmax_forward(size_t P, size_t lanes, const cs_real *s, CS_TYPED(cs_lane_state) state,
                cs_real *weights)
{
    FOR_TWO_VECTORS(lanes, softmax_columns, P, lanes, s, &state, weights);
}

CS_INLINE void
softmax_backward_columns(size_t W, size_t k, size_t P, size_t lanes, const cs_real *s,
                         const CS_TYPED(cs_lane_state) *state, const cs_real *weights,
                         const cs_real *g, cs_real *ds)
{
    cs_lanes mean[W_MOST], factor[W_MOST], total[W_MOST];
    mean_gradient(W, k, P, lanes, weights, g, mean);
    EACH(w) {
        factor[w] = cs_load(state->factor + k + w * CS_LANES);
        total[w] = cs_splat(0);
    }
    for (size_t p = 0; p < P; p++) {
        EACH(w) {
            size_t at = p * lanes + k + w * CS_LANES;
            cs_lanes centred = cs_load(weights + at) * (cs_load(g + at) - mean[w]);
            total[w] = cs_madd(centred, cs_load(s + at), total[w]);
            cs_store(ds + at, centred * factor[w]);
        }
    }
    EACH(w) cs_store(state->total + k + w * CS_LANES, total[w]);
}

static void
softmax_backward(size_t P, size_t lanes, const cs_real *s, CS_TYPED(cs_lane_state) state,
                 const cs_real *weights, const cs_real *g, cs_real *ds)
{
    FOR_TWO_VECTORS(lanes, softmax_backward_columns, P, lanes, s, &state, weights, g, ds);
}

extern const CS_TYPED(cs_alignment_kernels) CS_KERNEL(cs_alignment_kernels_of);
const CS_TYPED(cs_alignment_kernels) CS_KERNEL(cs_alignment_kernels_of) = {
    .minmax_forward = minmax_forward,
    .minmax_backward = minmax_backward,
    .softmax_forward = softmax_forward,
    .softmax_backward = softmax_backward,
};
