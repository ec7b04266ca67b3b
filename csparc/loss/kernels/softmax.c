#include "loss/kernels/softmax.h"

#include "base/isa.h"
#include "la/elementary.h"

void
CS_KERNEL(cs_lane_softmax)(size_t P, size_t lanes, const cs_real *factor, const cs_real *x,
                           cs_real *a, cs_real *restrict top, cs_real *restrict total)
{
    for (size_t k = 0; k < lanes; k++) {
        top[k] = (cs_real)-INFINITY;
        total[k] = 0;
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict from = x + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++)
            top[k] = from[k] > top[k] ? from[k] : top[k];
    }
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict from = x + p * lanes;
        cs_real *restrict out = a + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            out[k] = cs_exp(factor[k] * (from[k] - top[k]));
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

void
CS_KERNEL(cs_lane_softmax_backward)(size_t P, size_t lanes, const cs_real *e,
                                    const cs_real *twice_f, const cs_real *x, const cs_real *a,
                                    cs_real *ga)
{
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict from = x + p * lanes, *restrict weight = a + p * lanes;
        cs_real *restrict out = ga + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++)
            out[k] = weight[k] * (e[k] * from[k] + twice_f[k] * out[k]);
    }
}

void
CS_KERNEL(cs_lane_softmax_centre)(size_t P, size_t lanes, cs_real factor, const cs_real *mean,
                                  const cs_real *a, cs_real *d)
{
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict weight = a + p * lanes;
        cs_real *restrict out = d + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++)
            out[k] = factor * weight[k] * (out[k] - mean[k]);
    }
}

void
CS_KERNEL(cs_segment_softmax)(size_t P, size_t lanes, size_t segments, const size_t *start,
                              const cs_real *factor, const cs_real *x, cs_real *first)
{
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict from = x + p * lanes;
        cs_real *restrict out = first + p * lanes;
        for (size_t s = 0; s < segments; s++) {
            cs_real top = (cs_real)-INFINITY, total = 0;
#pragma omp simd reduction(max : top)
            for (size_t k = start[s]; k < start[s + 1]; k++)
                top = factor[k] * from[k] > top ? factor[k] * from[k] : top;
#pragma omp simd reduction(+ : total)
            for (size_t k = start[s]; k < start[s + 1]; k++) {
                out[k] = cs_exp(factor[k] * from[k] - top);
                total += out[k];
            }
            for (size_t k = start[s]; k < start[s + 1]; k++)
                out[k] /= total;
        }
        for (size_t k = start[segments]; k < lanes; k++)
            out[k] = 0;
    }
}

void
CS_KERNEL(cs_segment_softmax_backward)(size_t P, size_t lanes, size_t segments,
                                       const size_t *start, const cs_real *first, cs_real *d)
{
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict weight = first + p * lanes;
        cs_real *restrict out = d + p * lanes;
        for (size_t s = 0; s < segments; s++) {
            cs_real mean = 0;
#pragma omp simd reduction(+ : mean)
            for (size_t k = start[s]; k < start[s + 1]; k++)
                mean += weight[k] * out[k];
            for (size_t k = start[s]; k < start[s + 1]; k++)
                out[k] = weight[k] * (out[k] - mean);
        }
    }
}

void
CS_KERNEL(cs_combine_lanes)(size_t P, size_t lanes, const cs_real *e, const cs_real *factor,
                            const cs_real *twice_f, const cs_real *a, cs_real *x, cs_real *d)
{
    for (size_t p = 0; p < P; p++) {
        const cs_real *restrict weight = a + p * lanes;
        cs_real *restrict outer = x + p * lanes, *restrict out = d + p * lanes;
#pragma omp simd
        for (size_t k = 0; k < lanes; k++) {
            out[k] = e[k] * weight[k] + factor[k] * out[k];
            outer[k] = weight[k] * twice_f[k];
        }
    }
}
