#include "loss/words/pool_cosines.h"

#include <string.h>

#include "base/real.h"
#include "loss/filip/valid_rows.h"
#include "loss/kernels/pairs.h"

static void
pool_maximum(size_t P, size_t lanes, const cs_real *x, cs_real *slope, cs_real *z)
{
    uint16_t winner[CS_PANEL];
    CS_TYPED(cs_pair_kernels_in_use)()->best_rows(P, lanes, x, z, winner);
    memset(slope, 0, P * lanes * sizeof(cs_real));
    for (size_t k = 0; k < lanes; k++)
        slope[winner[k] * lanes + k] = 1;
}

/* From weights a in `slope` to the slopes of the weighted mean z. */
static void
slope_of_mean(size_t P, size_t lanes, cs_real scale, const cs_real *x, const cs_real *z,
              cs_real *slope)
{
    for (size_t p = 0; p < P; p++)
        for (size_t k = 0; k < lanes; k++)
            slope[p * lanes + k] *= 1 + scale * (x[p * lanes + k] - z[k]);
}

void
CS_TYPED(cs_pool_cosines)(size_t P, size_t lanes, const cs_word_pool *pool, const cs_real *x,
                          cs_real *slope, cs_real *z)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    cs_real factor[CS_PANEL], total[CS_PANEL];
    if (pool->kind == CS_POOL_MAX) {
        pool_maximum(P, lanes, x, slope, z);
        return;
    }
    for (size_t k = 0; k < lanes; k++)
        factor[k] = (cs_real)pool->scale;
    kernels->lane_softmax(P, lanes, factor, x, slope, z, total);
    if (pool->kind == CS_POOL_LSE) {
        for (size_t k = 0; k < lanes; k++)
            z[k] -= log(total[k] * (cs_real)P) / (cs_real)pool->scale;
        return;
    }
    kernels->lane_dots(P, lanes, slope, x, z);
    slope_of_mean(P, lanes, (cs_real)pool->scale, x, z, slope);
}
