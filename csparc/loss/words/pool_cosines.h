/* One number for a word and a picture: its cosines x_p with the P patches, pooled.
 *
 *   CS_POOL_LSE      z = top + 1/scale ln mean_p exp(scale (x_p - top)),  top = max_p x_p
 *   CS_POOL_MAX      z = max_p x_p, the first patch where several attain it
 *   CS_POOL_SOFTMAX  z = sum_p a_p x_p,  a = softmax_p(scale x)
 *
 * With their slopes dz/dx_p: a_p; 1 at the maximum; a_p (1 + scale (x_p - z)). A scale of any size
 * is safe: only differences from the largest cosine are multiplied. Below about 1e-3 float32 loses
 * digits of CS_POOL_LSE to the division.
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

/* A word a lane, at most CS_PANEL lanes (loss/filip/valid_rows.h), P >= 1: x, slope [P,lanes], z
 * [lanes]. */
void CS_TYPED(cs_pool_cosines)(size_t P, size_t lanes, const cs_word_pool *pool, const cs_real *x,
                               cs_real *slope, cs_real *z);

#endif
