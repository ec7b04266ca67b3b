/* The word contrast: every word against the pictures of the batch none of whose captions has it,
 * and every picture against the words it lacks. csparc's own, of no paper.
 *
 * With th, ph unit vectors, word t of caption i and picture i of P patches:
 *
 *   z_ti = 1/tau ln mean_p exp(tau th . ph_ip)    tau = pool.scale; loss/words/pool_cosines.h
 *   N_t = pictures that lack the word of t,  M_i = tokens whose word picture i lacks
 *   L = mean over tokens t of 1/2 [ ln(1 + sum_{j in N_t} exp S(z_tj - z_ti))
 *                                 + ln(1 + sum_{u in M_i} exp S(z_ui - z_ti)) ]     S = logit_scale
 *
 * Which log-sums that takes, what a picture without patches is, and what a token of a group is
 * contrasted with: loss/words/contrast.h. Samples are contrasted within sets; a picture then has
 * the others of its set alone beside it.
 *
 *   patches (B,P,D), tokens (B,L,D), patch_valid (B,P) or NULL; float only: either may be NULL
 *   and its bits be given, bfloat16, of which one picture, or one segment, is float at a time
 *   word (B,L): the number of a token's word, below W; negative where it takes no part
 *   lacks (B,W): 1 where the picture lacks the word; it must be 0 for words of its own caption
 *   row (B,L), first (U), row_start (S): loss/words/distinct_words.h
 *   out[0] loss, out[1] dloss/dlogit_scale
 *   `to`: the gradients by patches and tokens times to.weight, written or added to what is there
 *
 * A row of equal words is computed once, on both passes: its tokens differ in the weights
 * contrast.h calls a and own only, so that A = sum_q exp(s_uq - o_u) x_uq and B = sum_q b_q
 * exp(s_uq - c_q) x_uq of the row, x_uq = sum_p slope_p ph_qp, give the gradient of each token,
 * a_t A + B - own_tq x_uq.
 *
 * Cost 2 n U P D FLOP for the loss of a set of n pictures and U rows. With gradients 6 n U P D
 * where products are kept from the first pass, which they are up to KEPT_BYTES of them (sets.c),
 * and 8 n U P D where they are formed again; under CS_POOL_MAX 2 n U P D, and 4 n U D for the
 * winners.
 * Scratch: those, n U scores with a byte each (and 2 bytes of winner, or a level: pool_cosines.h),
 * and what does not grow with U: lengths, tiles, of a segment of 224 rows its unit vectors as rows
 * and as columns and its sums (at most 16 x 2), and of each thread products with a segment.
 *
 * Numbers: a dead vector (la/norm.h) has cosine 0 with everything and gradient 0. More than 65,535
 * patches under CS_POOL_MAX, or a set larger than the shape says: CS_ESHAPE; rows that are not
 * those of loss/words/distinct_words.h: CS_EVALUE.
 */
#ifndef CS_WORDS_WORD_CONTRAST_H
#define CS_WORDS_WORD_CONTRAST_H

#include "base/real.h"
#include "csparc.h"
#include "loss/words/pool_cosines.h"
#include "loss/words/words_input.h"

size_t CS_TYPED(cs_words_scratch)(const cs_words_shape *shape, const cs_word_pool *pool,
                                  int gradients, size_t threads);

cs_status CS_TYPED(cs_words)(const cs_words_shape *shape, const CS_TYPED(cs_words_input) *in,
                             const cs_word_pool *pool, double logit_scale, double *out,
                             const CS_TYPED(cs_words_gradients) *to, size_t threads, void *scratch);

#endif
