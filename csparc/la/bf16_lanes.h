/* Products of bfloat16 held in float lanes, two to a lane: c + a_low b_low + a_high b_high, `fuse`.
 *
 * A .c file that includes this header itself is compiled once more than la/simd.h has it: for
 * AVX-512 with bfloat16 products, where CS_ISA is avx512bf16 (build_support/build_core.py). There
 * an instruction does it; elsewhere its plain twin widens each half to a float and multiplies
 * those.
 */
#ifndef CS_BF16_LANES_H
#define CS_BF16_LANES_H

#include "la/simd.h"

#if defined(__AVX512BF16__)

INLINE vec fuse(vec a, vec b, vec c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
INLINE half half_fuse(half a, half b, half c)
{
    return _mm256_dpbf16_ps(c, (__m256bh)a, (__m256bh)b);
}

#else

typedef uint32_t vec_bits __attribute__((vector_size(sizeof(vec))));
typedef uint32_t half_bits __attribute__((vector_size(sizeof(half))));
#define LOW(bits, x) ((bits)(x) << 16)
#define HIGH(bits, x) ((bits)(x) & 0xffff0000u)

INLINE vec
fuse(vec a, vec b, vec c)
{
    c = madd((vec)LOW(vec_bits, a), (vec)LOW(vec_bits, b), c);
    return madd((vec)HIGH(vec_bits, a), (vec)HIGH(vec_bits, b), c);
}

INLINE half
half_fuse(half a, half b, half c)
{
    c = half_madd((half)LOW(half_bits, a), (half)LOW(half_bits, b), c);
    return half_madd((half)HIGH(half_bits, a), (half)HIGH(half_bits, b), c);
}

#endif

#endif
