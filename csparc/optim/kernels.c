#include "optim/kernels.h"

#include <string.h>

#include "base/blocks.h"
#include "base/isa.h"

enum { LANES = 8, SUMS = 4 };

/* GCC and clang cut vectors of any length into those of the instruction set. */
typedef cs_real reals __attribute__((vector_size(LANES * sizeof(cs_real))));
typedef double doubles __attribute__((vector_size(LANES * sizeof(double))));

/* The square of each of the first `count` numbers of x, at most LANES; zeros after them. */
static inline doubles
squared(size_t count, const cs_real *x)
{
    reals some = {0};
    if (count >= LANES)
        memcpy(&some, x, sizeof some);
    else
        memcpy(&some, x, count * sizeof *x);
    const doubles wide = __builtin_convertvector(some, doubles);
    return wide * wide;
}

static double
squares(size_t n, const cs_real *x)
{
    doubles a = {0}, b = {0}, c = {0}, d = {0};
    size_t i = 0;
    for (; i + SUMS * LANES <= n; i += SUMS * LANES) {
        a += squared(LANES, x + i);
        b += squared(LANES, x + i + LANES);
        c += squared(LANES, x + i + 2 * LANES);
        d += squared(LANES, x + i + 3 * LANES);
    }
    for (; i < n; i += LANES)
        a += squared(n - i, x + i);
    a = (a + b) + (c + d);
    double sum = 0;
    for (size_t l = 0; l < LANES; l++)
        sum += a[l];
    return sum;
}

static void
adamw(size_t n, const cs_adamw_settings *s, cs_real *restrict grad, cs_real *restrict weight,
      cs_real *restrict m, cs_real *restrict v, double *sums)
{
    enum { CHUNK = 512 }; /* stays in the nearest cache */
    const cs_real lr = (cs_real)s->lr, decay = (cs_real)s->decay, eps = (cs_real)s->eps;
    const cs_real beta1 = (cs_real)s->beta1, rest1 = (cs_real)(1 - s->beta1);
    const cs_real beta2 = (cs_real)s->beta2, rest2 = (cs_real)(1 - s->beta2);
    const cs_real correction1 = (cs_real)s->correction1, correction2 = (cs_real)s->correction2;
    const cs_real scale = (cs_real)s->scale;
    sums[0] = sums[1] = 0;
    for (size_t first = 0; first < n; first += CHUNK) {
        const size_t end = first + cs_block_length(first, CHUNK, n);
        cs_real updates[CHUNK];
#pragma omp simd
        for (size_t i = first; i < end; i++) {
            cs_real g = scale * grad[i];
            grad[i] = 0;
            m[i] = beta1 * m[i] + rest1 * g;
            v[i] = beta2 * v[i] + rest2 * g * g;
            cs_real u = correction1 * m[i] / (sqrt(correction2 * v[i]) + eps) + decay * weight[i];
            u *= lr;
            weight[i] -= u;
            updates[i - first] = u;
        }
        sums[0] += squares(end - first, updates);
        sums[1] += squares(end - first, weight + first);
    }
}

static void
average(size_t n, cs_real rate, const cs_real *restrict weight, cs_real *restrict mean)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        mean[i] += rate * (weight[i] - mean[i]);
}

extern const CS_TYPED(cs_optim_kernels) CS_KERNEL(cs_optim_kernels_of);
const CS_TYPED(cs_optim_kernels) CS_KERNEL(cs_optim_kernels_of) = {
    .squares = squares,
    .adamw = adamw,
    .average = average,
};
