/* One picture with one segment of words: scores, and on the way back what they give each other.
 *
 * Patches are read where they lie, as they are: lengths enter as factors of products. With
 * x_pk = v_p . t_k, c_pk = x_pk / |v_p| and d_pk = g_k slope_pk / |v_p|,
 *
 *   dt_k = sum_p d_pk v_p       dv_p = sum_k d_pk t_k + radial_p v_p
 *   radial_p = -sum_k d_pk x_pk / |v_p|^2
 *
 * where dt is by the unit vector of the word, in the sums of loss/words/sets.h, and radial is known
 * after the last segment. The valid patches of a picture that lie apart are copied together.
 */
#ifndef CS_WORDS_PICTURES_H
#define CS_WORDS_PICTURES_H

#include "base/real.h"
#include "loss/words/sets.h"

/* Take the segment's words as unit vectors; `measures`: find their lengths first. Parallel. */
void CS_TYPED(cs_words_take)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment,
                             int measures);

/* Scores of the set's picture q with the segment, 0 without a valid patch. The first segment of a
 * set measures the patches. */
void CS_TYPED(cs_words_score)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment, size_t q,
                              size_t thread);

/* To the owner's sums, with `add` or over what they held, and to the gradients by patches; where
 * rows are shared, to each token that matches the picture what it has of its own. Returns whether
 * the sums were touched. */
int CS_TYPED(cs_words_back)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment, size_t q,
                            size_t owner, int add, const CS_TYPED(cs_words_tile) *t);

#endif
