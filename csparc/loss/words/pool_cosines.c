#include "loss/words/pool_cosines.h"

#include "base/real.h"
#include "loss/kernels/pairs.h"
#include "loss/kernels/words.h"

void
CS_TYPED(cs_pool_cosines)(size_t P, size_t lanes, const cs_word_pool *pool, const cs_real *inverse,
                          cs_real *x, cs_real *z, cs_real *level, uint16_t *winner)
{
    const CS_TYPED(cs_word_kernels) *kernels = CS_TYPED(cs_word_kernels_in_use)();
    cs_real scale = (cs_real)pool->scale;
    if (pool->kind == CS_POOL_MAX) {
        kernels->scale_rows(P, lanes, inverse, x);
        CS_TYPED(cs_pair_kernels_in_use)()->best_rows(P, lanes, x, z, winner);
    } else if (pool->kind == CS_POOL_LSE) {
        kernels->pool(P, lanes, scale, inverse, x, z, NULL);
    } else {
        kernels->pool(P, lanes, scale, inverse, x, level, z);
    }
}

void
CS_TYPED(cs_pool_cosines_backward)(size_t P, size_t lanes, const cs_word_pool *pool,
                                   const cs_real *inverse, const cs_real *z, const cs_real *level,
                                   const cs_real *g, cs_real *x, cs_real *weight, cs_real *along)
{
    int lse = pool->kind == CS_POOL_LSE;
    CS_TYPED(cs_word_kernels_in_use)()->pool_backward(P, lanes, (cs_real)pool->scale, inverse,
                                                      lse ? z : level, lse ? NULL : z, g, x, weight,
                                                      along);
}
