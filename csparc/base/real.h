/* One source, two types. A .c file that includes this header itself is compiled twice, with and
 * without CS_FLOAT64; its external names are written CS_TYPED(name) and become name_f32, name_f64.
 * Mathematics comes from <tgmath.h>, so exp(x) is expf(x) in the float build. */
#ifndef CS_REAL_H
#define CS_REAL_H

#include <float.h>
#include <tgmath.h>

#ifdef CS_FLOAT64
typedef double cs_real;
#define CS_TYPED(name) name##_f64
#define CS_REAL_MAX DBL_MAX
#define CS_REAL_EPSILON DBL_EPSILON
#else
typedef float cs_real;
#define CS_TYPED(name) name##_f32
#define CS_REAL_MAX FLT_MAX
#define CS_REAL_EPSILON FLT_EPSILON
#endif

/* x, but within +-most; a NaN stays. */
static inline cs_real
CS_TYPED(cs_within)(cs_real most, cs_real x)
{
    return x > most ? most : x < -most ? -most : x;
}
#define cs_within CS_TYPED(cs_within)

#endif
