/* One number for a word and a picture: its cosines c_p with the P patches, pooled.
 *
 *   CS_POOL_LSE      z = 1/scale ln mean_p exp(scale c_p)
 *   CS_POOL_MAX      z = max_p c_p, the first patch where several attain it
 *   CS_POOL_SOFTMAX  z = sum_p a_p c_p,  a = softmax_p(scale c)
 *
 * With their slopes dz/dc_p: a_p; 1 at the maximum; a_p (1 + scale (c_p - z)). With the level
 * y = 1/scale ln mean_p exp(scale c_p), a_p = exp(scale (c_p - y)) / P: one number a word and a
 * picture, z itself under CS_POOL_LSE, is all that is kept to form the slopes again from the
 * cosines; under CS_POOL_MAX the winning patch. A scale of any size is safe: only differences are
 * multiplied. Below about 1e-3 float32 loses digits of CS_POOL_LSE to the division.
 *
 * x [P,lanes] are products of the patches as they are with unit vectors of words, a word a lane, at
 * most CS_PANEL lanes (loss/filip/valid_rows.h); inverse [P] the inverse lengths of the patches.
 */
#ifndef CS_WORDS_POOL_COSINES_H
#define CS_WORDS_POOL_COSINES_H

#include "base/real.h"
#include "csparc.h"

enum { CS_POOL_LSE, CS_POOL_MAX, CS_POOL_SOFTMAX };

typedef struct {
    int kind;
    double scale;
} cs_word_pool;

/* P >= 1. z [lanes]; level [lanes] where there is one beside z, winner [lanes] of the maximum. x is
 * not kept under CS_POOL_MAX. */
void CS_TYPED(cs_pool_cosines)(size_t P, size_t lanes, const cs_word_pool *pool,
                               const cs_real *inverse, cs_real *x, cs_real *z, cs_real *level,
                               uint16_t *winner);

/* Not for CS_POOL_MAX. From g [lanes], the gradient by z: x_pk becomes g_k inverse_p slope_pk,
 * along_p += sum_k of that times the old x_pk; weight_pk = inverse_p slope_pk unless NULL. */
void CS_TYPED(cs_pool_cosines_backward)(size_t P, size_t lanes, const cs_word_pool *pool,
                                        const cs_real *inverse, const cs_real *z,
                                        const cs_real *level, const cs_real *g, cs_real *x,
                                        cs_real *weight, cs_real *along);

#endif
