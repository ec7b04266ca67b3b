#include "loss/pair_kernels.h"

#include "base/isa.h"
#include "la/elementary.h"

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

extern const CS_TYPED(cs_pair_kernels) CS_KERNEL(cs_pair_kernels_of);
const CS_TYPED(cs_pair_kernels) CS_KERNEL(cs_pair_kernels_of) = {
    .sigmoid_tile = sigmoid_tile,
};
