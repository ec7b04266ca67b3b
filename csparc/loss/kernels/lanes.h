/* CS_LANES numbers of either real type side by side, in GCC and clang vector extensions. Arithmetic
 * is written with operators; here is what has none. Included by sources that are compiled per
 * instruction set (base/isa.h); the compiler splits a vector where registers are shorter.
 */
#ifndef CS_KERNEL_LANES_H
#define CS_KERNEL_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/isa.h"
#include "la/elementary.h"
#include "loss/kernels/widths.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

typedef cs_real cs_lanes __attribute__((vector_size(CS_LANES * sizeof(cs_real))));
#ifdef CS_FLOAT64
typedef int64_t cs_truth __attribute__((vector_size(CS_LANES * sizeof(cs_real))));
#else
typedef int32_t cs_truth __attribute__((vector_size(CS_LANES * sizeof(cs_real))));
typedef uint32_t cs_bits __attribute__((vector_size(CS_LANES * sizeof(cs_real))));
#endif

#define CS_INLINE static inline __attribute__((always_inline))

CS_INLINE cs_lanes
cs_splat(cs_real x)
{
    return (cs_lanes){x, x, x, x, x, x, x, x};
}

CS_INLINE cs_lanes
cs_load(const cs_real *p)
{
    cs_lanes x;
    memcpy(&x, p, sizeof x);
    return x;
}

CS_INLINE void
cs_store(cs_real *p, cs_lanes x)
{
    memcpy(p, &x, sizeof x);
}

/* The same for the first `count` lanes, at most CS_LANES; the others read as `fill`. */
CS_INLINE cs_lanes
cs_load_some(const cs_real *p, size_t count, cs_real fill)
{
    if (count >= CS_LANES)
        return cs_load(p);
    cs_lanes x = cs_splat(fill);
    memcpy(&x, p, count * sizeof(cs_real));
    return x;
}

CS_INLINE void
cs_store_some(cs_real *p, size_t count, cs_lanes x)
{
    if (count >= CS_LANES)
        cs_store(p, x);
    else
        memcpy(p, &x, count * sizeof(cs_real));
}

/* Lanes of `yes` where m is true (all ones), of `no` where it is 0. */
CS_INLINE cs_lanes
cs_select(cs_truth m, cs_lanes yes, cs_lanes no)
{
    return (cs_lanes)((m & (cs_truth)yes) | (~m & (cs_truth)no));
}

/* x < y ? x : y, and x > y ? x : y: y where either is NaN. */
#if defined(__AVX2__) && !defined(CS_FLOAT64)
#define cs_lower(x, y) ((cs_lanes)_mm256_min_ps(x, y))
#define cs_upper(x, y) ((cs_lanes)_mm256_max_ps(x, y))
#define cs_madd(x, y, z) ((cs_lanes)_mm256_fmadd_ps(x, y, z))
#else
#define cs_lower(x, y) cs_select((x) < (y), x, y)
#define cs_upper(x, y) cs_select((x) > (y), x, y)
#define cs_madd(x, y, z) ((x) * (y) + (z))
#endif

CS_INLINE cs_real
cs_sum_of_lanes(cs_lanes x)
{
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

CS_INLINE cs_real
cs_largest_lane(cs_lanes x)
{
    cs_real largest = x[0];
    for (int i = 1; i < CS_LANES; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/* exp(x) for x <= 0. */
CS_INLINE cs_lanes
cs_exp_lanes(cs_lanes x)
{
#ifdef CS_FLOAT64
    for (int i = 0; i < CS_LANES; i++)
        x[i] = exp(x[i]);
    return x;
#else
    const cs_lanes lowest = cs_splat(CS_EXP_LOWEST), y = cs_upper(lowest, x);
    CS_EXP_STEPS(cs_lanes, cs_splat, cs_madd, y);
    p = cs_madd(p * r, r, r + cs_splat(1.0f));
    p = (cs_lanes)((cs_bits)p + ((cs_bits)shifted << 23));
    return cs_select(x < lowest, cs_splat(0), p);
#endif
}

#endif
