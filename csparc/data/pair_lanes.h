/* Vectors of integers for sums of 8-bit pixels times 16-bit weights, two taps an instruction. A .c
 * file that includes this one includes la/simd.h as well.
 *
 *              LANES   pieces of 16 bytes
 *   avx512       16        4
 *   avx2          8        2
 *   portable      4        1                SSE2, or what the compiler makes of vector extensions
 *
 * A vector is LANES integers of 32 bits, or as many pairs of 16, or fours of 8; bytes and pairs
 * count in the order of memory, whatever the processor's. What moves bytes stays within a piece:
 *
 *   zip8_low(a, b)   a0 b0 a1 b1 .. of the first halves of the pieces of a and b; _high: of the
 *                    second; zip32, zip64: the same of 32 and 64 bits
 *   even, odd        every other byte, from the first or the second on, as 16 bits
 *   widen_low        the bytes of the first halves as 16 bits; _high: of the second
 *   planar           r0 g0 b0 r1 .. b3 of 4 pixels to r0 r2 r1 r3, g0 g2 g1 g3, b0 b2 b1 b3
 *   turn4            4 rows of 4 bytes to 4 columns
 *   narrow(a, b)     32 bits that fit 16, of a and then of b
 *   narrow8(a, b)    16 bits to 8, those below 0 and above 255 to 0 and 255
 *   total            (2^8 high + low) / 2^22, rounded to the nearest, halves up
 */
#ifndef CS_PAIR_LANES_H
#define CS_PAIR_LANES_H

#include "data/resize.h"

#include "la/simd.h"

enum { PIECES = LANES / 4, ONE_HALF = 1 << (CS_WEIGHT_BITS - 1) };

/* Where the bytes of a piece come from; the last four of `planar` are not used. */
#define PLANAR 0, 6, 3, 9, 1, 7, 4, 10, 2, 8, 5, 11, 12, 13, 14, 15
#define COLUMNS 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15

#if defined(__x86_64__)

#if defined(__AVX512F__)
typedef __m512i lanes;
#define OF_LANES(name) _mm512_##name
#define BITS(name) _mm512_##name##_si512
#define PATTERN(...) _mm512_broadcast_i32x4(_mm_setr_epi8(__VA_ARGS__))
#elif defined(__AVX2__)
typedef __m256i lanes;
#define OF_LANES(name) _mm256_##name
#define BITS(name) _mm256_##name##_si256
#define PATTERN(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))
#else
typedef __m128i lanes;
#define OF_LANES(name) _mm_##name
#define BITS(name) _mm_##name##_si128
#endif

INLINE lanes none(void) { return BITS(setzero)(); }
INLINE lanes load_lanes(const void *p) { return BITS(loadu)(p); }
INLINE void store_lanes(void *p, lanes x) { BITS(storeu)(p, x); }
INLINE lanes zip8_low(lanes a, lanes b) { return OF_LANES(unpacklo_epi8)(a, b); }
INLINE lanes zip8_high(lanes a, lanes b) { return OF_LANES(unpackhi_epi8)(a, b); }
INLINE lanes zip32_low(lanes a, lanes b) { return OF_LANES(unpacklo_epi32)(a, b); }
INLINE lanes zip32_high(lanes a, lanes b) { return OF_LANES(unpackhi_epi32)(a, b); }
INLINE lanes zip64_low(lanes a, lanes b) { return OF_LANES(unpacklo_epi64)(a, b); }
INLINE lanes zip64_high(lanes a, lanes b) { return OF_LANES(unpackhi_epi64)(a, b); }
INLINE lanes odd(lanes a) { return OF_LANES(srli_epi16)(a, 8); }
INLINE lanes even(lanes a) { return odd(OF_LANES(slli_epi16)(a, 8)); }
INLINE lanes widen_low(lanes a) { return zip8_low(a, none()); }
INLINE lanes widen_high(lanes a) { return zip8_high(a, none()); }
INLINE lanes narrow(lanes a, lanes b) { return OF_LANES(packs_epi32)(a, b); }
INLINE lanes narrow8(lanes a, lanes b) { return OF_LANES(packus_epi16)(a, b); }

/* Two 16-bit numbers for every lane. */
INLINE lanes
splat_pair(const int16_t *pair)
{
    int32_t both;
    memcpy(&both, pair, sizeof both);
    return OF_LANES(set1_epi32)(both);
}

/* sum + a0 b0 + a1 b1 of the pairs. */
INLINE lanes
add_pairs(lanes sum, lanes a, lanes b)
{
    return OF_LANES(add_epi32)(sum, OF_LANES(madd_epi16)(a, b));
}

INLINE lanes
total(lanes high, lanes low)
{
    lanes sum = OF_LANES(add_epi32)(OF_LANES(slli_epi32)(high, CS_LOW_BITS), low);
    sum = OF_LANES(add_epi32)(sum, OF_LANES(set1_epi32)(ONE_HALF));
    return OF_LANES(srai_epi32)(sum, CS_WEIGHT_BITS);
}

#if defined(__AVX2__)
INLINE lanes planar(lanes a) { return OF_LANES(shuffle_epi8)(a, PATTERN(PLANAR)); }
INLINE lanes turn4(lanes a) { return OF_LANES(shuffle_epi8)(a, PATTERN(COLUMNS)); }
#else
INLINE lanes
planar(lanes a)
{
    lanes pairs = zip8_low(a, _mm_srli_si128(a, 6));
    return _mm_unpacklo_epi16(pairs, _mm_srli_si128(pairs, 6));
}

INLINE lanes
turn4(lanes a)
{
    lanes pairs = zip8_low(a, _mm_srli_si128(a, 8));
    return zip8_low(pairs, _mm_srli_si128(pairs, 8));
}
#endif

#define LOAD_PIECE(p) _mm_loadu_si128((const __m128i *)(const void *)(p))

/* 16 bytes at each of row[0] + at, row[4] + at, row[8] + at .. */
INLINE lanes
load_pieces(const uint8_t *const *row, size_t at)
{
#if defined(__AVX512F__)
    lanes x = _mm512_castsi128_si512(LOAD_PIECE(row[0] + at));
    x = _mm512_inserti32x4(x, LOAD_PIECE(row[4] + at), 1);
    x = _mm512_inserti32x4(x, LOAD_PIECE(row[8] + at), 2);
    return _mm512_inserti32x4(x, LOAD_PIECE(row[12] + at), 3);
#elif defined(__AVX2__)
    lanes x = _mm256_castsi128_si256(LOAD_PIECE(row[0] + at));
    return _mm256_inserti128_si256(x, LOAD_PIECE(row[4] + at), 1);
#else
    return LOAD_PIECE(row[0] + at);
#endif
}

#else

typedef uint8_t lanes __attribute__((vector_size(16)));
typedef uint32_t words __attribute__((vector_size(16)));
typedef int16_t signed_halves __attribute__((vector_size(16)));
typedef int32_t signed_words __attribute__((vector_size(16)));

#if defined(__clang__)
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (lanes){__VA_ARGS__})
#endif

/* Byte i of the first vector as 16 bits, where the second is 0; the low half of word i. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define WIDE(i) 16, i
#define LOW_HALF(i) 4 * (i) + 2, 4 * (i) + 3
#define LOW_BYTE(i) 2 * (i) + 1
#else
#define WIDE(i) i, 16
#define LOW_HALF(i) 4 * (i), 4 * (i) + 1
#define LOW_BYTE(i) 2 * (i)
#endif
#define FOUR(of, i, step) of(i), of((i) + (step)), of((i) + 2 * (step)), of((i) + 3 * (step))
#define EIGHT(of, i, step) FOUR(of, i, step), FOUR(of, (i) + 4 * (step), step)
#define BYTE_OF_BOTH(i) i, (i) + 16
#define WORD(i) 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3
#define WORD_OF_BOTH(i) WORD(i), WORD((i) + 4)

INLINE lanes none(void) { return (lanes){0}; }
INLINE lanes load_lanes(const void *p) { lanes x; memcpy(&x, p, sizeof x); return x; }
INLINE void store_lanes(void *p, lanes x) { memcpy(p, &x, sizeof x); }
INLINE lanes zip8_low(lanes a, lanes b) { return PICK(a, b, EIGHT(BYTE_OF_BOTH, 0, 1)); }
INLINE lanes zip8_high(lanes a, lanes b) { return PICK(a, b, EIGHT(BYTE_OF_BOTH, 8, 1)); }
INLINE lanes zip32_low(lanes a, lanes b) { return PICK(a, b, WORD_OF_BOTH(0), WORD_OF_BOTH(1)); }
INLINE lanes zip32_high(lanes a, lanes b) { return PICK(a, b, WORD_OF_BOTH(2), WORD_OF_BOTH(3)); }
INLINE lanes zip64_low(lanes a, lanes b) { return PICK(a, b, WORD(0), WORD(1), WORD(4), WORD(5)); }
INLINE lanes zip64_high(lanes a, lanes b) { return PICK(a, b, WORD(2), WORD(3), WORD(6), WORD(7)); }
INLINE lanes even(lanes a) { return PICK(a, none(), EIGHT(WIDE, 0, 2)); }
INLINE lanes odd(lanes a) { return PICK(a, none(), EIGHT(WIDE, 1, 2)); }
INLINE lanes widen_low(lanes a) { return PICK(a, none(), EIGHT(WIDE, 0, 1)); }
INLINE lanes widen_high(lanes a) { return PICK(a, none(), EIGHT(WIDE, 8, 1)); }
INLINE lanes planar(lanes a) { return PICK(a, a, PLANAR); }
INLINE lanes turn4(lanes a) { return PICK(a, a, COLUMNS); }
INLINE lanes load_pieces(const uint8_t *const *row, size_t at) { return load_lanes(row[0] + at); }
INLINE lanes narrow(lanes a, lanes b) { return PICK(a, b, EIGHT(LOW_HALF, 0, 1)); }

INLINE lanes
narrow8(lanes a, lanes b)
{
    signed_halves both[2] = {(signed_halves)a, (signed_halves)b};
    for (int i = 0; i < 2; i++) {
        both[i] &= ~(both[i] >> 15);
        both[i] |= (255 - both[i]) >> 15;
    }
    return PICK((lanes)both[0], (lanes)both[1], EIGHT(LOW_BYTE, 0, 1), EIGHT(LOW_BYTE, 8, 1));
}

INLINE lanes
splat_pair(const int16_t *pair)
{
    int32_t both;
    memcpy(&both, pair, sizeof both);
    return (lanes)(signed_words){both, both, both, both};
}

/* Either half of a pair is the first: what two pairs give is the same. */
INLINE lanes
add_pairs(lanes sum, lanes a, lanes b)
{
    signed_words x = (signed_words)a, y = (signed_words)b;
    words one = (words)((x >> 16) * (y >> 16));
    words other = (words)(((signed_words)((words)x << 16) >> 16) *
                          ((signed_words)((words)y << 16) >> 16));
    return (lanes)((words)sum + one + other);
}

INLINE lanes
total(lanes high, lanes low)
{
    words sum = ((words)high << CS_LOW_BITS) + (words)low + ONE_HALF;
    return (lanes)((signed_words)sum >> CS_WEIGHT_BITS);
}

#endif

#endif
