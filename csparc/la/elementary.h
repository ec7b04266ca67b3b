/* exp and the normal distribution as polynomials, for loops that shall vectorise. Included by
 * sources that are compiled per instruction set (base/isa.h). Float: own polynomials, no branch and
 * no call, about 1 ulp; double: the C library.
 */
#ifndef CS_ELEMENTARY_H
#define CS_ELEMENTARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/isa.h"

#define CS_SQRT_HALF ((cs_real)0.70710678118654752440)
#define CS_SQRT_HALF_OVER_PI ((cs_real)0.39894228040143267794) /* 1 / sqrt(2 pi) */

#ifdef CS_FLOAT64

static inline double
cs_exp(double x)
{
    return exp(x);
}

/* Phi(x), the normal distribution function; *density = phi(x), its derivative. */
static inline double
cs_normal(double x, double *density)
{
    *density = CS_SQRT_HALF_OVER_PI * exp(-0.5 * x * x);
    return 0.5 * erfc(-CS_SQRT_HALF * x);
}

#else

/* exp(x) = 2^n exp(r), |r| <= ln(2)/2. n is rounded by adding 1.5 * 2^23, which leaves it in the
 * low bits of the sum; 2^n is multiplied in by adding n to the exponent. exp(x) below the smallest
 * normal number is 0. NaN stays NaN: its n is 0. */
static inline float
cs_exp(float x)
{
    const float shift = 12582912.0f, lowest = -87.336540f, highest = 88.722835f;
    float y = x < lowest ? lowest : x;
    y = y > highest ? highest : y;
    float shifted = y * 1.44269504f + shift, n = shifted - shift;
    float r = y - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.98756915e-4f;
    p = p * r + 1.39819995e-3f;
    p = p * r + 8.33345191e-3f;
    p = p * r + 4.16657959e-2f;
    p = p * r + 1.66666655e-1f;
    p = p * r + 5.00000012e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits, power;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&power, &shifted, sizeof power);
    bits += power << 23;
    memcpy(&p, &bits, sizeof p);
    p = x < lowest ? 0.0f : p;
    return x > highest ? INFINITY : p;
}

/* Phi(x) from the tail Phi(-|x|) = t q(t) exp(-x^2 / 2), t = 1 / (1 + 0.3 |x| / sqrt(2)), so that
 * it keeps its relative accuracy (3e-7) as it falls; q is a minimax fit (2e-8) on |x| <= 13. */
static inline float
cs_normal(float x, float *density)
{
    float e = cs_exp(-0.5f * x * x), t = 1.0f / (1.0f + 0.212132034f * fabsf(x));
    float q = -0.1294066724f;
    q = q * t + 0.4849522607f;
    q = q * t - 0.5109011502f;
    q = q * t + 0.5459845993f;
    q = q * t - 0.09331491196f;
    q = q * t + 0.2142840101f;
    q = q * t + 0.1485270669f;
    q = q * t + 0.170684659f;
    q = q * t + 0.1691901191f;
    float tail = 0.5f * e * t * q;
    *density = CS_SQRT_HALF_OVER_PI * e;
    return x < 0 ? tail : 1.0f - tail;
}

#endif

#endif
