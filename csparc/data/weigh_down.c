#include "data/pair_lanes.h"

#include "la/simd.h"

/* As many bytes as a vector has, of two taps at a time. */
cs_weigh_down CS_SIMD(cs_weigh_down);
void
CS_SIMD(cs_weigh_down)(size_t pairs, size_t n, const int16_t *weights, const uint8_t *in,
                       size_t in_row, uint8_t *out)
{
    for (size_t j = 0; j < n; j += sizeof(lanes)) {
        lanes high[4], low[4];
        UNROLL
        for (size_t i = 0; i < 4; i++)
            high[i] = low[i] = none();
        for (size_t p = 0; p < pairs; p++) {
            lanes by_high = splat_pair(weights + 4 * p), by_low = splat_pair(weights + 4 * p + 2);
            const uint8_t *at = in + 2 * p * in_row + j;
            lanes one = load_lanes(at), other = load_lanes(at + in_row);
            lanes first = zip8_low(one, other), second = zip8_high(one, other);
            lanes taps[4] = {widen_low(first), widen_high(first), widen_low(second),
                             widen_high(second)};
            UNROLL
            for (size_t i = 0; i < 4; i++) {
                high[i] = add_pairs(high[i], taps[i], by_high);
                low[i] = add_pairs(low[i], taps[i], by_low);
            }
        }
        lanes sum[4];
        UNROLL
        for (size_t i = 0; i < 4; i++)
            sum[i] = total(high[i], low[i]);
        lanes bytes = narrow8(narrow(sum[0], sum[1]), narrow(sum[2], sum[3]));
        if (n - j >= sizeof bytes)
            store_lanes(out + j, bytes);
        else
            memcpy(out + j, &bytes, n - j);
    }
}
