#include "data/resize.h"

#include "la/simd.h"

/* Sums held at once: a few vectors of every instruction set. */
enum { SPAN = 64 };

static uint8_t
rounded(int32_t sum)
{
    sum >>= CS_WEIGHT_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* The sum fits: the weights' magnitudes add up to less than 1.6. */
cs_weigh_rows CS_SIMD(cs_weigh_rows);
void
CS_SIMD(cs_weigh_rows)(size_t taps, size_t n, const int32_t *weights, const uint8_t *in,
                       size_t stride, uint8_t *out)
{
    const int32_t one_half = 1 << (CS_WEIGHT_BITS - 1);
    size_t j = 0;
    for (; j + SPAN <= n; j += SPAN) {
        int32_t sum[SPAN];
        for (size_t s = 0; s < SPAN; s++)
            sum[s] = one_half;
        for (size_t t = 0; t < taps; t++) {
            for (size_t s = 0; s < SPAN; s++)
                sum[s] += weights[t] * in[t * stride + j + s];
        }
        for (size_t s = 0; s < SPAN; s++)
            out[j + s] = rounded(sum[s]);
    }
    for (; j < n; j++) {
        int32_t sum = one_half;
        for (size_t t = 0; t < taps; t++)
            sum += weights[t] * in[t * stride + j];
        out[j] = rounded(sum);
    }
}
