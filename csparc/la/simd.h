/* Vectors of float32 for hand-written kernels: one source, compiled per instruction set.
 *
 * A .c file that includes this header itself is compiled once per instruction set, for float only
 * (build_support/build_core.py); its external names are written CS_SIMD(name) and become name_avx2
 * and so on. Kernels are written with the operators + - * / on `vec` (GCC and clang vector
 * extensions) and the few functions below, which exist for what has no operator or must be one
 * instruction.
 *
 *             vec        half        UNIT   registers
 *   avx512    16 floats  8 floats    8      32
 *   avx2       8 floats  8 floats    8      16
 *   portable   4 floats  4 floats    4      16 (SSE2) or 32 (NEON)
 *
 * UNIT is the granularity of widths: every width is a multiple of it, in whole vectors and at most
 * one half vector.
 */
#ifndef CS_SIMD_H
#define CS_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define CS_SIMD_JOIN(name, isa) name##_##isa
#define CS_SIMD_EXPAND(name, isa) CS_SIMD_JOIN(name, isa)
#define CS_SIMD(name) CS_SIMD_EXPAND(name, CS_ISA)

/* Streamed stores become visible to other threads in order with what follows. */
#if defined(__x86_64__)
#define settle() _mm_sfence()
#else
#define settle() ((void)0)
#endif

#define INLINE static inline __attribute__((always_inline))
/* Loops over the registers of a tile: their bounds are constants after inlining. */
#define UNROLL _Pragma("GCC unroll 16")

#if defined(__AVX512F__)

typedef __m512 vec;
typedef __m256 half;
enum { LANES = 16, UNIT = 8 };

INLINE vec splat(float x) { return _mm512_set1_ps(x); }
INLINE vec load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void store(float *p, vec x) { _mm512_storeu_ps(p, x); }
INLINE void stream(float *p, vec x) { _mm512_stream_ps(p, x); }
INLINE vec madd(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE float sum_lanes(vec x) { return _mm512_reduce_add_ps(x); }

INLINE half half_of(vec x) { return _mm512_castps512_ps256(x); }
INLINE half half_splat(float x) { return _mm256_set1_ps(x); }
INLINE half half_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void half_store(float *p, half x) { _mm256_storeu_ps(p, x); }
INLINE half half_madd(half a, half b, half c) { return _mm256_fmadd_ps(a, b, c); }

#elif defined(__AVX2__)

typedef __m256 vec;
typedef __m256 half;
enum { LANES = 8, UNIT = 8 };

INLINE vec splat(float x) { return _mm256_set1_ps(x); }
INLINE vec load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void store(float *p, vec x) { _mm256_storeu_ps(p, x); }
INLINE void stream(float *p, vec x) { _mm256_stream_ps(p, x); }
INLINE vec madd(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }

#else

typedef float vec __attribute__((vector_size(16)));
typedef vec half;
enum { LANES = 4, UNIT = 4 };

INLINE vec splat(float x) { return (vec){x, x, x, x}; }
INLINE vec load(const float *p) { vec x; memcpy(&x, p, sizeof x); return x; }
INLINE void store(float *p, vec x) { memcpy(p, &x, sizeof x); }
INLINE void stream(float *p, vec x) { store(p, x); }
#if defined(__aarch64__)
INLINE vec
madd(vec a, vec b, vec c)
{
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
#else
INLINE vec madd(vec a, vec b, vec c) { return a * b + c; }
#endif

#endif

#if !defined(__AVX512F__)
INLINE half half_of(vec x) { return x; }
INLINE half half_splat(float x) { return splat(x); }
INLINE half half_load(const float *p) { return load(p); }
INLINE void half_store(float *p, half x) { store(p, x); }
INLINE half half_madd(half a, half b, half c) { return madd(a, b, c); }

INLINE float
sum_lanes(vec x)
{
    float sum = x[0];
    for (int i = 1; i < LANES; i++)
        sum += x[i];
    return sum;
}
#endif

#endif
