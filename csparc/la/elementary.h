/* exp and the normal distribution for loops that the compiler is to vectorise. Included by sources
 * that are compiled per instruction set (base/isa.h). Float: polynomials without branch or call,
 * about 1 ulp; double: the C library.
 */
#ifndef CS_ELEMENTARY_H
#define CS_ELEMENTARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/isa.h"

/* exp(x) = 2^n exp(r), |r| <= ln(2)/2, in float: the steps, for one number or for a vector of them.
 * `type` is the type of y, which lies between CS_EXP_LOWEST and CS_EXP_HIGHEST; number(c) is the
 * constant c in that type, madd(a, b, c) is a b + c. n is rounded by adding 1.5 * 2^23, which
 * leaves it in the low bits of `shifted`: adding those to the exponent of exp(r) multiplies by 2^n.
 * Declares `shifted`, `r` and p, with exp(r) = p r^2 + r + 1; the caller forms that sum. */
#define CS_EXP_STEPS(type, number, madd, y)                                                        \
    const type shifted = madd(y, number(1.44269504f), number(12582912.0f));                        \
    const type n = shifted - number(12582912.0f);                                                  \
    const type r = madd(n, number(2.12194440e-4f), madd(n, number(-0.693359375f), y));             \
    type p = madd(number(1.98756915e-4f), r, number(1.39819995e-3f));                              \
    p = madd(p, r, number(8.33345191e-3f));                                                        \
    p = madd(p, r, number(4.16657959e-2f));                                                        \
    p = madd(p, r, number(1.66666655e-1f));                                                        \
    p = madd(p, r, number(5.00000012e-1f))
#define CS_EXP_LOWEST -87.336540f /* below, exp(x) is less than the smallest normal number: 0 */
#define CS_EXP_HIGHEST 88.722835f

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

#define CS_EXP_NUMBER(c) (c)
#define CS_EXP_MADD(a, b, c) ((a) * (b) + (c))

/* NaN stays NaN: its n is 0. */
static inline float
cs_exp(float x)
{
    float y = x < CS_EXP_LOWEST ? CS_EXP_LOWEST : x;
    y = y > CS_EXP_HIGHEST ? CS_EXP_HIGHEST : y;
    CS_EXP_STEPS(float, CS_EXP_NUMBER, CS_EXP_MADD, y);
    p = p * r * r + r + 1.0f;
    uint32_t bits, power;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&power, &shifted, sizeof power);
    bits += power << 23;
    memcpy(&p, &bits, sizeof p);
    p = x < CS_EXP_LOWEST ? 0.0f : p;
    return x > CS_EXP_HIGHEST ? INFINITY : p;
}

/* Phi(x) from the tail Phi(-|x|) = t q(t) exp(-x^2 / 2), t = 1 / (1 + 0.3 |x| / sqrt(2)), which has
 * relative accuracy 3e-7 however small it is; q is a minimax fit (2e-8) on |x| <= 13. */
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
