#include "optim/adamw.h"

#include "base/real.h"
#include "base/size.h"
#include "optim/blocks.h"

/* The n entries of a block; sums [2] takes the sums of squares of updates and of new weights. */
static void
update(size_t n, const cs_adamw_settings *s, cs_real *restrict grad, cs_real *restrict weight,
       cs_real *restrict m, cs_real *restrict v, double *sums)
{
    const cs_real lr = (cs_real)s->lr, decay = (cs_real)s->decay, eps = (cs_real)s->eps;
    const cs_real beta1 = (cs_real)s->beta1, rest1 = (cs_real)(1 - s->beta1);
    const cs_real beta2 = (cs_real)s->beta2, rest2 = (cs_real)(1 - s->beta2);
    const cs_real correction1 = (cs_real)s->correction1, correction2 = (cs_real)s->correction2;
    const cs_real scale = (cs_real)s->scale;
    double updates = 0, weights = 0;
#pragma omp simd reduction(+ : updates, weights)
    for (size_t i = 0; i < n; i++) {
        cs_real g = scale * grad[i];
        grad[i] = 0;
        m[i] = beta1 * m[i] + rest1 * g;
        v[i] = beta2 * v[i] + rest2 * g * g;
        cs_real u = correction1 * m[i] / (sqrt(correction2 * v[i]) + eps) + decay * weight[i];
        u *= lr;
        weight[i] -= u;
        updates += (double)u * u;
        weights += (double)weight[i] * weight[i];
    }
    sums[0] = updates;
    sums[1] = weights;
}

#ifndef CS_FLOAT64
size_t
cs_adamw_scratch(size_t N)
{
    return CS_SIZE(2, cs_optim_block_count(N), sizeof(double));
}
#endif

cs_status
CS_TYPED(cs_adamw)(size_t N, const cs_adamw_settings *settings, cs_real *grad,
                   cs_real *weight, cs_real *m, cs_real *v, double *sums, void *scratch)
{
    const size_t blocks = cs_optim_block_count(N), step = CS_OPTIM_BLOCK;
    double *part = scratch;
    CS_EACH(b, blocks, cs_optim_threads(N),
            update(cs_block_length(b * step, step, N), settings, grad + b * step,
                   weight + b * step, m + b * step, v + b * step, part + 2 * b));
    sums[0] = sums[1] = 0;
    for (size_t b = 0; b < blocks; b++) {
        sums[0] += part[2 * b];
        sums[1] += part[2 * b + 1];
    }
    return CS_OK;
}
