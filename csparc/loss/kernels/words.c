#include "loss/kernels/words.h"

#include "base/blocks.h"
#include "base/isa.h"
#include "loss/kernels/lanes.h"
#include "loss/kernels/logits.h"

#define FOR_LANES(k, lanes) for (size_t k = 0; k < (lanes); k += CS_LANES)

/* Up to this scale exp(scale (c - 1)) of a cosine c is a normal number, so that no maximum has to
 * be found first. */
#define MODEST_SCALE 32

typedef uint8_t bytes __attribute__((vector_size(CS_LANES)));

/* All ones where a byte is not 0. */
CS_INLINE cs_truth
truth_of(const uint8_t *byte)
{
    bytes x;
    memcpy(&x, byte, sizeof x);
    return __builtin_convertvector(x, cs_truth) != 0;
}

/* What the cosines are compared with before their exp: 1, or the largest. */
static void
find_tops(size_t P, size_t lanes, cs_real scale, const cs_real *inverse, const cs_real *x,
          cs_real *top)
{
    const int modest = scale <= MODEST_SCALE;
    FOR_LANES(k, lanes) cs_store(top + k, cs_splat(modest ? 1 : -CS_REAL_MAX));
    for (size_t p = 0; p < P && !modest; p++)
        FOR_LANES(k, lanes) {
            cs_lanes cosine = cs_splat(inverse[p]) * cs_load(x + p * lanes + k);
            cs_store(top + k, cs_upper(cosine, cs_load(top + k)));
        }
}

CS_INLINE void
sum_exps(size_t P, size_t lanes, cs_real scale, const cs_real *inverse, const cs_real *x,
         const cs_real *top, cs_real *sum, cs_real *moment)
{
    const cs_lanes factor = cs_splat(scale);
    FOR_LANES(k, lanes) cs_store(sum + k, cs_splat(0));
    for (size_t k = 0; moment != NULL && k < lanes; k += CS_LANES)
        cs_store(moment + k, cs_splat(0));
    for (size_t p = 0; p < P; p++)
        FOR_LANES(k, lanes) {
            cs_lanes cosine = cs_splat(inverse[p]) * cs_load(x + p * lanes + k);
            cs_lanes e = cs_exp_lanes(factor * (cosine - cs_load(top + k)));
            cs_store(sum + k, cs_load(sum + k) + e);
            if (moment != NULL)
                cs_store(moment + k, cs_madd(e, cosine, cs_load(moment + k)));
        }
}

static void
pool(size_t P, size_t lanes, cs_real scale, const cs_real *inverse, const cs_real *x,
     cs_real *level, cs_real *mean)
{
    cs_real top[CS_MOST_WORDS], sum[CS_MOST_WORDS], moment[CS_MOST_WORDS];
    find_tops(P, lanes, scale, inverse, x, top);
    if (mean == NULL)
        sum_exps(P, lanes, scale, inverse, x, top, sum, NULL);
    else
        sum_exps(P, lanes, scale, inverse, x, top, sum, moment);
    for (size_t k = 0; k < lanes; k++)
        level[k] = top[k] + log(sum[k] / (cs_real)P) / scale;
    for (size_t k = 0; mean != NULL && k < lanes; k++)
        mean[k] = moment[k] / sum[k];
}

CS_INLINE void
slopes(size_t P, size_t lanes, cs_real scale, const cs_real *inverse, const cs_real *level,
       const cs_real *mean, const cs_real *g, cs_real *x, cs_real *weight, cs_real *along)
{
    const cs_lanes factor = cs_splat(scale), one = cs_splat(1);
    for (size_t p = 0; p < P; p++) {
        const cs_lanes length = cs_splat(inverse[p]), share = cs_splat(inverse[p] / (cs_real)P);
        cs_lanes sum = cs_splat(0);
        FOR_LANES(k, lanes) {
            cs_lanes product = cs_load(x + p * lanes + k), cosine = length * product;
            cs_lanes slope = share * cs_exp_lanes(factor * (cosine - cs_load(level + k)));
            if (mean != NULL)
                slope *= cs_madd(factor, cosine - cs_load(mean + k), one);
            cs_lanes d = cs_load(g + k) * slope;
            sum = cs_madd(d, product, sum);
            cs_store(x + p * lanes + k, d);
            if (weight != NULL)
                cs_store(weight + p * lanes + k, slope);
        }
        along[p] += cs_sum_of_lanes(sum);
    }
}

static void
pool_backward(size_t P, size_t lanes, cs_real scale, const cs_real *inverse, const cs_real *level,
              const cs_real *mean, const cs_real *g, cs_real *x, cs_real *weight, cs_real *along)
{
    if (mean != NULL)
        slopes(P, lanes, scale, inverse, level, mean, g, x, weight, along);
    else if (weight != NULL)
        slopes(P, lanes, scale, inverse, level, NULL, g, x, weight, along);
    else
        slopes(P, lanes, scale, inverse, level, NULL, g, x, NULL, along);
}

static void
scale_rows(size_t P, size_t lanes, const cs_real *inverse, cs_real *x)
{
    for (size_t p = 0; p < P; p++)
        FOR_LANES(k, lanes) {
            cs_real *at = x + p * lanes + k;
            cs_store(at, cs_splat(inverse[p]) * cs_load(at));
        }
}

static void
log_sums_of_rows(size_t N, size_t count, size_t z_row, cs_real scale, const cs_real *z,
                 const uint8_t *lacked, cs_real *lse)
{
    enum { BLOCK = 64 }; /* rows whose sums are not yet double */
    FOR_LANES(k, count) {
        cs_lanes top = cs_splat(CS_MASKED), factor = cs_splat(scale);
        double sum[CS_LANES] = {0};
        for (size_t n = 0; n < N; n++) {
            const size_t at = n * z_row + k;
            cs_lanes s = factor * cs_load(z + at);
            top = cs_upper(cs_select(truth_of(lacked + at), s, cs_splat(CS_MASKED)), top);
        }
        for (size_t first = 0; first < N; first += BLOCK) {
            cs_lanes part = cs_splat(0);
            for (size_t n = first; n < first + cs_block_length(first, BLOCK, N); n++) {
                const size_t at = n * z_row + k;
                cs_lanes e = cs_exp_lanes(factor * cs_load(z + at) - top);
                part += cs_select(truth_of(lacked + at), e, cs_splat(0));
            }
            for (size_t i = 0; i < CS_LANES; i++)
                sum[i] += (double)part[i];
        }
        for (size_t i = 0; i < CS_LANES && k + i < count; i++)
            lse[k + i] = top[i] + (cs_real)log(sum[i]);
    }
}

static cs_real
log_sum(size_t count, cs_real scale, const cs_real *z, const uint8_t *lacked, const cs_real *times)
{
    enum { BLOCK = 512 };
    cs_lanes tops = cs_splat(CS_MASKED), factor = cs_splat(scale);
    double sum = 0;
    FOR_LANES(k, count) {
        cs_lanes s = factor * cs_load(z + k);
        tops = cs_upper(cs_select(truth_of(lacked + k), s, cs_splat(CS_MASKED)), tops);
    }
    const cs_real top = cs_largest_lane(tops);
    for (size_t first = 0; first < count; first += BLOCK) {
        cs_lanes part = cs_splat(0);
        for (size_t k = first; k < cs_least(first + BLOCK, count); k += CS_LANES) {
            cs_lanes e = cs_exp_lanes(factor * cs_load(z + k) - cs_splat(top));
            part += cs_select(truth_of(lacked + k), cs_load(times + k) * e, cs_splat(0));
        }
        sum += (double)cs_sum_of_lanes(part);
    }
    return top + (cs_real)log(sum);
}

/* exp(x - lse) of one of the terms of lse: rounding must not take it above 1. */
CS_INLINE cs_lanes
share_of(cs_lanes x, cs_lanes lse)
{
    return cs_exp_lanes(cs_lower(cs_splat(0), x - lse));
}

static void
shares(size_t count, cs_real scale, const cs_real *z, const uint8_t *lacked,
       const cs_real *row_lse, cs_real picture_lse, cs_real factor, cs_real *to_row,
       cs_real *to_picture)
{
    FOR_LANES(k, count) {
        const cs_truth yes = truth_of(lacked + k);
        const cs_lanes s = cs_splat(scale) * cs_load(z + k), none = cs_splat(0);
        cs_lanes row = share_of(s, cs_load(row_lse + k));
        cs_lanes picture = cs_splat(factor) * share_of(s, cs_splat(picture_lse));
        cs_store(to_row + k, cs_select(yes, row, none));
        cs_store(to_picture + k, cs_select(yes, picture, none));
    }
}

extern const CS_TYPED(cs_word_kernels) CS_KERNEL(cs_word_kernels_of);
const CS_TYPED(cs_word_kernels) CS_KERNEL(cs_word_kernels_of) = {
    .pool = pool,
    .pool_backward = pool_backward,
    .scale_rows = scale_rows,
    .log_sums_of_rows = log_sums_of_rows,
    .log_sum = log_sum,
    .shares = shares,
};
