/* Loops of the word contrast (loss/words/word_contrast.h), compiled for every instruction set and
 * reached through a table.
 *
 * x [P,lanes] are products of patches as they are with unit vectors of words, a word a lane.
 * inverse [P] are the inverse lengths of the patches: the cosines are c_pk = inverse_p x_pk.
 * Whole lanes, at most CS_MOST_WORDS. Of z, lacked and what goes with them `count` entries are
 * read, up to whole lanes, where `lacked` must be 0.
 */
#ifndef CS_KERNEL_WORDS_H
#define CS_KERNEL_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/real.h"

/* Words side by side at most. */
enum { CS_MOST_WORDS = 64 };

typedef struct {
    /* level_k = 1/scale ln mean_p exp(scale c_pk). With mean != NULL also mean_k = sum_p a_pk c_pk,
     * a = softmax over patches of scale c. */
    void (*pool)(size_t P, size_t lanes, cs_real scale, const cs_real *inverse, const cs_real *x,
                 cs_real *level, cs_real *mean);
    /* From the gradients g [lanes] by the pooled cosines to those by x, which take its place:
     * x_pk becomes g_k inverse_p slope_pk, along_p += sum_k of that times x_pk, and
     * weight_pk = inverse_p slope_pk unless weight is NULL. level, mean as `pool` left them;
     * mean != NULL: the slopes are those of the mean. */
    void (*pool_backward)(size_t P, size_t lanes, cs_real scale, const cs_real *inverse,
                          const cs_real *level, const cs_real *mean, const cs_real *g, cs_real *x,
                          cs_real *weight, cs_real *along);
    /* x becomes the cosines. */
    void (*scale_rows)(size_t P, size_t lanes, const cs_real *inverse, cs_real *x);
    /* lse_k = ln of the sum over rows n of exp(scale z_nk) where lacked_nk, for count lanes, at
     * most CS_MOST_WORDS; rows are z_row apart in both. -infinity where nothing is lacked. */
    void (*log_sums_of_rows)(size_t N, size_t count, size_t z_row, cs_real scale, const cs_real *z,
                             const uint8_t *lacked, cs_real *lse);
    /* ln sum_k times_k exp(scale z_k) where lacked_k, of any count. */
    cs_real (*log_sum)(size_t count, cs_real scale, const cs_real *z, const uint8_t *lacked,
                       const cs_real *times);
    /* to_row_k = exp(scale z_k - row_lse_k), to_picture_k = factor exp(scale z_k - picture_lse),
     * both 0 where lacked_k is; of at most CS_MOST_WORDS. */
    void (*shares)(size_t count, cs_real scale, const cs_real *z, const uint8_t *lacked,
                   const cs_real *row_lse, cs_real picture_lse, cs_real factor, cs_real *to_row,
                   cs_real *to_picture);
} CS_TYPED(cs_word_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_word_kernels) *CS_TYPED(cs_word_kernels_in_use)(void);

#endif
