#include "loss/kernels/logits.h"

#include "base/isa.h"
#include "loss/kernels/lanes.h"

/* Entries of a row, CS_LANES at a time. */
#define FOR_COLUMNS(k, count) for (size_t k = 0; k < (count); k += CS_LANES)

static void
row_states(size_t R, size_t C, const cs_real *u, cs_real *row_top, cs_real *row_sum)
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
}

static void
tile_states(size_t R, size_t C, const cs_real *u, cs_real *row_top, cs_real *row_sum,
            cs_real *column_top, cs_real *column_sum)
{
    row_states(R, C, u, row_top, row_sum);
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

/* exp(x - lse). Logits are formed twice and huge ones round differently: it must not exceed 1. */
CS_INLINE cs_lanes
share_of(cs_lanes x, cs_lanes lse)
{
    return cs_exp_lanes(cs_lower(cs_splat(0), x - lse));
}

static void
row_gradient(size_t R, size_t C, cs_real weight, const cs_real *u, const cs_real *row_lse,
             cs_real *g)
{
    for (size_t r = 0; r < R; r++)
        FOR_COLUMNS(k, C) {
            cs_lanes x = cs_load_some(u + r * C + k, C - k, CS_MASKED);
            cs_store_some(g + r * C + k, C - k, weight * share_of(x, cs_splat(row_lse[r])));
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
            cs_lanes share = share_of(x, cs_splat(row_lse[r])) + share_of(x, lse);
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
            cs_lanes g = share_of(u, lse) + share_of(u, cs_load(m->column_lse + k));
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

extern const CS_TYPED(cs_logit_kernels) CS_KERNEL(cs_logit_kernels_of);
const CS_TYPED(cs_logit_kernels) CS_KERNEL(cs_logit_kernels_of) = {
    .row_states = row_states,
    .row_gradient = row_gradient,
    .tile_states = tile_states,
    .tile_gradient = tile_gradient,
    .matching_gradient = matching_gradient,
    .scale_outer = scale_outer,
    .column_dot = column_dot,
};
