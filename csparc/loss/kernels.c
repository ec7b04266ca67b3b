#include "loss/kernels.h"

#include "base/isa.h"
#include "loss/lanes.h"

#define EPS_RANGE ((cs_real)1e-6)

/* One column of CS_LANES tokens at a time, so that whatever is kept of it while the patches pass
 * stays in registers. */
#define FOR_COLUMNS(k, count) for (size_t k = 0; k < (count); k += CS_LANES)

CS_INLINE cs_lanes
absolute(cs_lanes x)
{
    return cs_upper(x, -x);
}

/* Minimum and maximum of a column, the first patch that attains the minimum, and from them what
 * separates kept from dropped. A NaN is passed over here and caught by the sum that follows. */
static void
range_of_column(size_t P, size_t lanes, size_t k, cs_real sigma, const cs_real *s,
                const CS_TYPED(cs_lane_state) *state)
{
    cs_lanes low = cs_splat((cs_real)INFINITY), high = -low, first = cs_splat((cs_real)(P - 1));
    for (size_t p = 0; p < P; p++) {
        cs_lanes x = cs_load(s + p * lanes + k);
        low = cs_lower(x, low);
        high = cs_upper(x, high);
    }
    for (size_t p = 0; p < P; p++) {
        cs_truth attained = cs_load(s + p * lanes + k) == low;
        first = cs_lower(cs_select(attained, cs_splat((cs_real)p), first), first);
    }
    cs_lanes span = high - low, size = cs_upper(absolute(low), absolute(high));
    /* An infinite range is an overflow, not a degenerate row: the caller sees it in Z'. */
    cs_truth degenerate = (span <= EPS_RANGE * size) & (span >= 0) & (span <= CS_REAL_MAX);
    cs_store(state->low + k, low);
    cs_store(state->cut + k, sigma * span);
    cs_store(state->live + k, cs_select(degenerate, cs_splat(0), cs_splat(1)));
    for (size_t i = 0; i < CS_LANES; i++)
        state->lowest[k + i] = (int32_t)first[i];
}

static void
minmax_forward(size_t P, size_t lanes, cs_real sigma, cs_real fill, const cs_real *s,
               CS_TYPED(cs_lane_state) state, cs_real *weights)
{
    FOR_COLUMNS(k, lanes) {
        range_of_column(P, lanes, k, sigma, s, &state);
        cs_lanes low = cs_load(state.low + k), cut = cs_load(state.cut + k);
        cs_lanes divisor = cs_splat(0), dropped = cs_splat(0);
        for (size_t p = 0; p < P; p++) {
            cs_lanes rise = cs_load(s + p * lanes + k) - low;
            cs_truth drop = rise < cut; /* a NaN is kept */
            divisor += cs_select(drop, cs_splat(0), rise);
            dropped += cs_select(drop, cs_splat(1), cs_splat(0));
        }
        cs_truth live = cs_load(state.live + k) != 0;
        cs_lanes kept = cs_splat((cs_real)P), given = cs_splat(fill);
        divisor = cs_select(live, divisor, cs_splat(1));
        cs_store(state.divisor + k, divisor);
        cs_store(state.kept + k, cs_select(live, kept - dropped, fill > 0 ? kept : cs_splat(0)));
        for (size_t p = 0; p < P; p++) {
            cs_lanes rise = cs_load(s + p * lanes + k) - low;
            cs_lanes weight = cs_select(rise < cut, cs_splat(0), rise) / divisor;
            cs_store(weights + p * lanes + k, cs_select(live, weight, given));
        }
    }
}

/* gbar of a column: sum_p a g. */
CS_INLINE cs_lanes
mean_gradient(size_t P, size_t lanes, size_t k, const cs_real *weights, const cs_real *g)
{
    cs_lanes mean = cs_splat(0);
    for (size_t p = 0; p < P; p++)
        mean = cs_madd(cs_load(weights + p * lanes + k), cs_load(g + p * lanes + k), mean);
    return mean;
}

static void
minmax_backward(size_t P, size_t lanes, const cs_real *s, CS_TYPED(cs_lane_state) state,
                const cs_real *weights, const cs_real *g, cs_real *ds)
{
    FOR_COLUMNS(k, lanes) {
        cs_lanes mean = mean_gradient(P, lanes, k, weights, g);
        cs_lanes low = cs_load(state.low + k), cut = cs_load(state.cut + k);
        cs_lanes divisor = cs_load(state.divisor + k), total = cs_splat(0);
        cs_truth live = cs_load(state.live + k) != 0;
        for (size_t p = 0; p < P; p++) {
            cs_lanes centred = (cs_load(g + p * lanes + k) - mean) / divisor;
            cs_truth drop = cs_load(s + p * lanes + k) - low < cut;
            centred = cs_select(~drop & live, centred, cs_splat(0));
            cs_store(ds + p * lanes + k, centred);
            total += centred;
        }
        for (size_t i = 0; i < CS_LANES; i++)
            ds[(size_t)state.lowest[k + i] * lanes + k + i] -= total[i];
    }
}

static void
softmax_forward(size_t P, size_t lanes, const cs_real *s, CS_TYPED(cs_lane_state) state,
                cs_real *weights)
{
    FOR_COLUMNS(k, lanes) {
        cs_lanes factor = cs_load(state.factor + k), divisor = cs_splat(0);
        cs_lanes top = cs_splat((cs_real)-INFINITY);
        for (size_t p = 0; p < P; p++)
            top = cs_upper(factor * cs_load(s + p * lanes + k), top);
        for (size_t p = 0; p < P; p++) {
            cs_lanes weight = cs_exp_lanes(factor * cs_load(s + p * lanes + k) - top);
            cs_store(weights + p * lanes + k, weight);
            divisor += weight;
        }
        for (size_t p = 0; p < P; p++)
            cs_store(weights + p * lanes + k,
                     cs_load(weights + p * lanes + k) / divisor);
        cs_store(state.low + k, top);
        cs_store(state.divisor + k, divisor);
        cs_store(state.live + k, cs_splat(1));
        cs_store(state.kept + k, cs_splat((cs_real)P));
    }
}

static void
softmax_backward(size_t P, size_t lanes, const cs_real *s, CS_TYPED(cs_lane_state) state,
                 const cs_real *weights, const cs_real *g, cs_real *ds)
{
    FOR_COLUMNS(k, lanes) {
        cs_lanes mean = mean_gradient(P, lanes, k, weights, g);
        cs_lanes factor = cs_load(state.factor + k), total = cs_splat(0);
        for (size_t p = 0; p < P; p++) {
            cs_lanes centred = cs_load(weights + p * lanes + k) *
                               (cs_load(g + p * lanes + k) - mean);
            total = cs_madd(centred, cs_load(s + p * lanes + k), total);
            cs_store(ds + p * lanes + k, centred * factor);
        }
        cs_store(state.total + k, total);
    }
}

static void
tile_states(size_t R, size_t C, const cs_real *u, cs_real *row_top, cs_real *row_sum,
            cs_real *column_top, cs_real *column_sum)
{
    for (size_t r = 0; r < R; r++) {
        const cs_real *row = u + r * C;
        cs_lanes top = cs_splat(CS_MASKED), sum = cs_splat(0);
        FOR_COLUMNS(k, C) top = cs_upper(cs_load_some(row + k, C - k, CS_MASKED), top);
        row_top[r] = cs_largest_lane(top);
        top = cs_splat(row_top[r]);
        FOR_COLUMNS(k, C) sum += cs_exp_lanes(cs_load_some(row + k, C - k, CS_MASKED) - top);
        row_sum[r] = cs_sum_of_lanes(sum);
    }
    FOR_COLUMNS(k, C) {
        cs_lanes top = cs_splat(CS_MASKED), sum = cs_splat(0);
        for (size_t r = 0; r < R; r++)
            top = cs_upper(cs_load_some(u + r * C + k, C - k, CS_MASKED), top);
        for (size_t r = 0; r < R; r++)
            sum += cs_exp_lanes(cs_load_some(u + r * C + k, C - k, CS_MASKED) - top);
        cs_store_some(column_top + k, C - k, top);
        cs_store_some(column_sum + k, C - k, sum);
    }
}

static void
tile_gradient(size_t R, size_t C, cs_real weight, const cs_real *u, const cs_real *row_lse,
              const cs_real *column_lse, cs_real *g)
{
    FOR_COLUMNS(k, C) {
        cs_lanes lse = cs_load_some(column_lse + k, C - k, 0);
        for (size_t r = 0; r < R; r++) {
            cs_lanes x = cs_load_some(u + r * C + k, C - k, CS_MASKED);
            cs_lanes share = cs_exp_lanes(x - row_lse[r]) + cs_exp_lanes(x - lse);
            cs_store_some(g + r * C + k, C - k, weight * share);
        }
    }
}

static void
matching_gradient(size_t L, size_t lanes, cs_real weight, const CS_TYPED(cs_matching) *m)
{
    FOR_COLUMNS(k, lanes) cs_store(m->column_along + k, cs_splat(0));
    for (size_t j = 0; j < L; j++) {
        cs_real *row = m->u + j * lanes;
        cs_lanes along = cs_splat(0), lse = cs_splat(m->row_lse[j]);
        FOR_COLUMNS(k, lanes) {
            cs_lanes u = cs_load(row + k);
            cs_lanes g = cs_exp_lanes(u - lse) + cs_exp_lanes(u - cs_load(m->column_lse + k));
            g *= weight;
            along = cs_madd(g, u, along);
            cs_store(m->column_along + k, cs_madd(g, u, cs_load(m->column_along + k)));
            cs_store(row + k, g * (m->row_factor[j] * cs_load(m->column_factor + k)));
        }
        cs_real own = m->dmatching[j] * m->matching[j];
        m->row_along[j] = cs_sum_of_lanes(along) + own;
        m->column_along[j] += own;
        row[j] = m->dmatching[j] * (m->row_factor[j] * m->column_factor[j]);
    }
}

static void
scale_outer(size_t R, size_t C, const cs_real *row, const cs_real *lane, cs_real *x)
{
    FOR_COLUMNS(k, C) {
        cs_lanes factor = cs_load(lane + k);
        for (size_t r = 0; r < R; r++)
            cs_store(x + r * C + k, cs_load(x + r * C + k) * (row[r] * factor));
    }
}

static void
column_dot(size_t R, size_t C, const cs_real *x, const cs_real *y, cs_real *sum)
{
    FOR_COLUMNS(k, C) {
        cs_lanes total = cs_load(sum + k);
        for (size_t r = 0; r < R; r++)
            total = cs_madd(cs_load(x + r * C + k), cs_load(y + r * C + k), total);
        cs_store(sum + k, total);
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
    .matching_gradient = matching_gradient,
    .scale_outer = scale_outer,
    .column_dot = column_dot,
};
