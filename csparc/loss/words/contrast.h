/* The contrast of one set of samples once every row of words has its score with every picture.
 *
 * z_uq is the score of row u (loss/words/distinct_words.h) with picture q of the set, s = scale z.
 * Token t of row u matches the picture of its own caption, or those of its group; with N_u the
 * pictures that lack the word, M_q the tokens whose word picture q lacks, m_u the tokens of row u:
 *
 *   o_u = ln sum_{q in N_u} exp s_uq,  c_q = ln sum_{u in M_q} m_u exp s_uq
 *   loss = sum over t, and pictures q it matches, of
 *          weight_tq / 2 [ softplus(o_u - s_uq) + softplus(c_q - s_uq) ]
 *
 * weight_tq = 1 / (tokens that match a picture, of the whole batch) / (pictures t matches). So all
 * that is kept beside z is one log-sum a row and one a picture. The gradient by s_uq is
 *
 *   lacks_q [ a_u exp(s_uq - o_u) + m_u b_q exp(s_uq - c_q) ] - sum_t own_tq
 *   own_tq = weight_tq / 2 [ sigmoid(o_u - s_uq) + sigmoid(c_q - s_uq) ]
 *
 * with a_u and b_q the sums of the first and second parts of own. A picture without a valid patch
 * matches nothing and is contrasted with nothing; the tokens of its caption stay in M_q.
 */
#ifndef CS_WORDS_CONTRAST_H
#define CS_WORDS_CONTRAST_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/same_group.h"
#include "loss/words/distinct_words.h"

/* What is the same for all sets, and the set that is contrasted now. */
typedef struct {
    size_t B, L, W;
    const int64_t *word, *row;  /* (B,L) entry of the table of words; row, -1: takes no part */
    const int64_t *word_of_row; /* [rows] a token of each row */
    const uint8_t *lacks;       /* (B,W) 1: the picture lacks the word */
    const cs_groups *groups;
    cs_sets sets;
    cs_real scale;
    uint8_t *has_image;      /* [B] */
    cs_real *weight;         /* [B] of a token of a caption with a picture it matches */
    size_t begin, n;         /* place of the set in `order`, its samples */
    size_t first_row, rows;  /* its rows */
    size_t lanes;            /* from one picture's scores to the next's: whole vectors */
    cs_real *scores;         /* [n,lanes] z */
    uint8_t *lacked;         /* [n,lanes] whether the picture lacks the word; 0 past the rows */
    int64_t *column;         /* [rows] where a row finds its word in a row of `lacks` */
    cs_real *row_lse, *row_weight, *tokens; /* [lanes] o_u, a_u, m_u */
    cs_real *picture_lse, *picture_weight;  /* [n] c_q, b_q */
    cs_real *token_weight;   /* [B L] a token's part of a_u */
} CS_TYPED(cs_word_contrast);

/* The sizes are those of the largest set. */
void CS_TYPED(cs_word_contrast_layout)(size_t B, size_t L, size_t most_samples, size_t most_rows,
                                       cs_arena *arena, CS_TYPED(cs_word_contrast) *c);

/* Once has_image is known: what each token counts. */
void CS_TYPED(cs_word_contrast_open)(const CS_TYPED(cs_word_contrast) *c);

/* The number of the set's picture or caption at place q. */
static inline size_t
CS_TYPED(cs_sample_at)(const CS_TYPED(cs_word_contrast) *c, size_t q)
{
    return (size_t)c->sets.order[c->begin + q];
}

/* Log-sums and the weights of gradients from the scores; the set's loss. */
double CS_TYPED(cs_word_contrast_close)(CS_TYPED(cs_word_contrast) *c);

/* Rows u0 .. u0+count of the set, at most CS_PANEL of them and u0 of whole vectors, and picture q:
 * what q is to A_u and to B_u of loss/words/word_contrast.h, lacks_q exp(s_uq - o_u) and
 * lacks_q b_q exp(s_uq - c_q), in arrays of CS_PANEL; and g [count], the gradient by s. Returns
 * sum g z. */
double CS_TYPED(cs_word_contrast_gradient)(const CS_TYPED(cs_word_contrast) *c, size_t q,
                                           size_t u0, size_t count, cs_real *to_row,
                                           cs_real *to_picture, cs_real *g);

/* Walks over the tokens that match picture q. */
typedef struct {
    size_t picture, caption, last, l; /* places in the set */
    size_t token, row;                /* out: number in the batch, row of the set */
    cs_real weight;                   /* out */
} CS_TYPED(cs_match);

CS_TYPED(cs_match) CS_TYPED(cs_matches_of_picture)(const CS_TYPED(cs_word_contrast) *c, size_t q);
int CS_TYPED(cs_next_match)(const CS_TYPED(cs_word_contrast) *c, CS_TYPED(cs_match) *match);

/* own of a match. */
cs_real CS_TYPED(cs_match_own)(const CS_TYPED(cs_word_contrast) *c,
                               const CS_TYPED(cs_match) *match);

#endif
