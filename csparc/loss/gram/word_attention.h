/* One image against the packed words of a few captions: GLoRIA's attention, forward and back.
 *
 * Image: rows V [P,D] and Gram matrix G of loss/gram/packed_images.h, v = 2^exponent V. Words: unit
 * vectors th and lengths |t|, caption s holding words start[s] .. start[s+1]. Everything is
 * [P, lanes], one word a lane, words rounded up to whole lanes:
 *   x = V th^T,  m_r = factor_r x with factor_r = |t_r| 2^exponent / sqrt(D)  (= t_r . v / sqrt(D))
 *   a = softmax over patches of attention_scale m, or, with words_first, of attention_scale times
 *       the softmax of m over the words of the caption
 *   c_r = sum_p a V_p is never formed: y = sum a x, q = a^T G a, cos_r = y / sqrt(q)
 *   z_s = ln sum_r exp(pool_scale cos_r)  (less ln of the number of words with `mean`; divided by
 *       pool_scale with `divide`)
 * From dz: dcos, e = dcos / sqrt(q), 2f = -dcos cos / q, da = e x + 2f G a, du = a da,
 *   W = e a + factor dm, which carries dV += W th and dth += W^T V; dG += f a a^T; and the part
 *   dcos cos of the words along themselves: dt = (dth - th sum dcos cos) / |t|, with 1 for the
 *   length of a dead word.
 */
#ifndef CS_GRAM_WORD_ATTENTION_H
#define CS_GRAM_WORD_ATTENTION_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/gram/packed_images.h"

typedef struct {
    double attention_scale, pool_scale;
    int words_first, mean, divide;
} cs_word_options;

typedef struct {
    size_t D, P;      /* width, valid patches of the image */
    size_t samples;   /* captions */
    size_t *start;    /* [samples + 1] */
    cs_real *words;   /* [words, D] th */
    cs_real *columns; /* [D, lanes] the same, transposed, zeros beyond the words */
    cs_real *dwords;  /* [words, D] */
    cs_real *length;  /* [words] |t|, 0 for a dead one */
    cs_real *x, *first, *a, *ga; /* [P, lanes]; first: softmax over words */
    cs_real *across;  /* [lanes, gram_row] a transposed */
    cs_real *factor, *y, *norm, *cosine, *e, *twice_f, *along, *pull; /* [lanes] */
    cs_real *z, *dz;  /* [samples] */
    cs_real origin;   /* some z: the dz of all pairs sum to 0, so sums may be taken from here */
    double dattention, dpool; /* added to by the backward */
} CS_TYPED(cs_word_tile);

/* Room for `most_words` words of `most_samples` captions, against images of `patches` patches.
 * Returns its bytes. */
size_t CS_TYPED(cs_word_tile_layout)(size_t patches, size_t D, size_t most_words,
                                     size_t most_samples, cs_arena *arena,
                                     CS_TYPED(cs_word_tile) *tile);

/* z of every caption with image r of the block; one without words gets 0. */
void CS_TYPED(cs_word_tile_forward)(const CS_TYPED(cs_image_block) *block, size_t r,
                                    const cs_word_options *options, CS_TYPED(cs_word_tile) *tile);

/* After the forward of image r of the block, with dz set: `begins` or adds to what the owner holds
 * of the image's gradient; adds to dwords, pull (sum of dcos cos), dattention and dpool. */
void CS_TYPED(cs_word_tile_backward)(const CS_TYPED(cs_image_block) *block, size_t r, size_t owner,
                                     int begins, const cs_word_options *options,
                                     CS_TYPED(cs_word_tile) *tile);

#endif
