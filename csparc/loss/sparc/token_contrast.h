/* The patches each token of one sample gathers, and how well they match the tokens: equations 5
 * and 6 of the paper, on top of loss/sparc/sample.h.
 *
 *   c = a V    U[j,k] = logit_scale ch_j . th_k    CE(U) + CE(U^T), the pair (j,j) to be found
 *
 * Of unit vectors, which are never formed: products take raw rows, and lengths enter as factors of
 * U and as pulls, the part of a gradient that lies along its own vector.
 */
#ifndef CS_SPARC_TOKEN_CONTRAST_H
#define CS_SPARC_TOKEN_CONTRAST_H

#include "loss/sparc/sample.h"
#include "loss/entropy/diagonal.h"

typedef struct {
    cs_real *room;       /* [L,D] and a cache line */
    cs_real *rows;       /* [L,D] in it: c; dL/dc takes its place */
    cs_real *inverse;    /* [L] 1/|c|, 0 for a dead one */
    cs_real *pull;       /* [L] coefficient of c_j in dc_j */
    cs_real *token_pull; /* [lanes] coefficient of t_k in dT_k */
    cs_real *row_factor; /* [L] logit_scale / |c| */
    cs_real *logits;     /* [L,lanes] U, matching pairs and padding masked; then dU */
    cs_real *dmatching;  /* [L] dL/dU_jj */
    CS_TYPED(cs_square) square; /* of U */
} CS_TYPED(cs_grouped);

/* Cut the arrays for at most L tokens out of `arena`. */
void CS_TYPED(cs_grouped_layout)(size_t L, size_t D, cs_arena *arena,
                                 CS_TYPED(cs_grouped) *grouped);

/* c and 1/|c|. Returns whether the lengths leave room for products. 2 LPD FLOP. */
int CS_TYPED(cs_group)(const CS_TYPED(cs_sample) *sample, CS_TYPED(cs_grouped) *grouped);

/* U and the log-sums of its rows and columns. Returns CE(U) + CE(U^T). 2 LLD FLOP. */
double CS_TYPED(cs_matching_loss)(const CS_TYPED(cs_sample) *sample, cs_real logit_scale,
                                  CS_TYPED(cs_grouped) *grouped);

/* Of `weight` times the loss: dtokens [L,D] written (what reaches tokens as keys), rows become
 * dL/dc. Returns logit_scale dL/dlogit_scale. 4 LLD FLOP. */
double CS_TYPED(cs_matching_backward)(const CS_TYPED(cs_sample) *sample, cs_real weight,
                                      cs_real *dtokens, CS_TYPED(cs_grouped) *grouped);

#endif
