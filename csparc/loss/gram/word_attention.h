/* One image against the words of a few captions: the attention of GLoRIA, forward and back.
 *
 * Image: rows V [P,D] and Gram matrix G of loss/gram/packed_images.h, v = 2^exponent V. Words: unit
 * vectors th and lengths |t|, caption s holding words start[s] .. start[s+1]. Everything is
 * [P, lanes], one word a lane, words rounded up to whole lanes:
 *   x = V th^T,  m_r = factor_r x with factor_r = |t_r| 2^exponent / sqrt(D)  (= t_r . v / sqrt(D))
 *   a = softmax over patches of attention_scale m, or, with words_first, of attention_scale times
 *       the softmax of m over the words of the caption
 *   c_r = sum_p a V_p is not formed: y = sum a x, q = a^T G a, cos_r = y / sqrt(q); but for words
 *       whose patches nearly cancel (loss/gram/short_sums.h)
 *   z_s = ln sum_r exp(pool_scale cos_r)  (less ln of the number of words with `mean`; divided by
 *       pool_scale with `divide`)
 * From dz: dcos, e = dcos / sqrt(q), 2f = -dcos cos / q, da = e x + 2f G a, du = a da,
 *   W = e a + factor dm, which carries dV += W th and dth += W^T V; dG += f a a^T.
 * Through the length of a word: dt = (dth - th along) / |t| with along = sum dcos cos; a dead word
 * is given the length 1.
 */
#ifndef CS_GRAM_WORD_ATTENTION_H
#define CS_GRAM_WORD_ATTENTION_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/gram/packed_images.h"
#include "loss/gram/short_sums.h"

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
    cs_real *factor, *y, *norm, *cosine, *e, *twice_f; /* [lanes] */
    cs_real *along;   /* [lanes] */
    cs_real *lane;    /* [lanes] scratch of a step: attention's factors, then dattention by words */
    cs_real *sums;    /* [CS_SUMS_AT_ONCE, D] */
    cs_real *z, *dz;  /* [samples] */
    /* The z of pair (0,0), set by the caller and subtracted in sum dz z: exact, since all dz sum to
     * 0, and it keeps the sum from cancelling. */
    cs_real origin;
    double dattention, dpool; /* added to by the backward */
} CS_TYPED(cs_word_tile);

/* Cut the arrays for `most_words` words of `most_samples` captions, against images of `patches`
 * patches, out of `arena`. Returns their bytes. */
size_t CS_TYPED(cs_word_tile_layout)(size_t patches, size_t D, size_t most_words,
                                     size_t most_samples, cs_arena *arena,
                                     CS_TYPED(cs_word_tile) *tile);

/* z of every caption with image r of the block; one without words gets 0. */
void CS_TYPED(cs_word_tile_forward)(const CS_TYPED(cs_image_block) *block, size_t r,
                                    const cs_word_options *options, CS_TYPED(cs_word_tile) *tile);

/* Directly after the forward of image r of the block, with dz set: the owner's part of the image's
 * gradient, written if `begins`, else added to; and what dwords, along, dattention and dpool are
 * added to. */
void CS_TYPED(cs_word_tile_backward)(const CS_TYPED(cs_image_block) *block, size_t r, size_t owner,
                                     int begins, const cs_word_options *options,
                                     CS_TYPED(cs_word_tile) *tile);

#endif
