/* The grouped vectors of one sample and their contrast with its tokens: equations 5 and 6 of the
 * paper, on top of loss/sparc/sample.h.
 *
 *   c = a^T V    U[j,k] = logit_scale ch_j . th_k    CE(U) + CE(U^T), (j,j) matching
 *
 * ch, th are unit vectors, which are never formed: lengths enter as factors of U and, on the way
 * back, as radial coefficients (csparc.h).
 */
#ifndef CS_SPARC_TOKEN_CONTRAST_H
#define CS_SPARC_TOKEN_CONTRAST_H

#include "loss/entropy/diagonal.h"
#include "loss/sparc/sample.h"

typedef struct {
    cs_real *memory;       /* [L,D] and a cache line, in which rows start */
    cs_real *rows;         /* [L,D] c; dL/dc takes its place */
    cs_real *scale;        /* [L] what c was multiplied by, not 1 only in rescaled samples */
    cs_real *inverse;      /* [L] 1/|c|, 0 for a dead one */
    cs_real *radial;       /* [L] coefficient of c_j in dc_j */
    cs_real *token_radial; /* [lanes] coefficient of t_k in dT_k */
    cs_real *row_factor;   /* [L] logit_scale / |c| */
    cs_real *logits;       /* [L,lanes] U, diagonal and padding masked; then dU */
    cs_real *dmatching;    /* [L] dL/dU_jj */
    CS_TYPED(cs_square) square; /* of U */
} CS_TYPED(cs_grouped);

/* Cut the arrays for at most L tokens out of `arena`. */
void CS_TYPED(cs_grouped_layout)(size_t L, size_t D, cs_arena *arena,
                                 CS_TYPED(cs_grouped) *grouped);

/* c and 1/|c| of an open sample; of a rescaled one, c of a length of about 1. Returns whether
 * products of two c stay in the type's range. 2LPD FLOP. */
int CS_TYPED(cs_gather_patches)(const CS_TYPED(cs_sample) *sample, CS_TYPED(cs_grouped) *grouped);

/* After cs_gather_patches: U and the log-sums of its rows and columns. Returns CE(U) + CE(U^T).
 * 2LLD FLOP. */
double CS_TYPED(cs_token_contrast)(const CS_TYPED(cs_sample) *sample, cs_real logit_scale,
                                   CS_TYPED(cs_grouped) *grouped);

/* After cs_token_contrast: gradients of `weight` times the loss. dtokens [L,D] written, the part
 * that reaches tokens as th; rows become dL/dc. Returns logit_scale dL/dlogit_scale. 4LLD FLOP. */
double CS_TYPED(cs_token_contrast_backward)(const CS_TYPED(cs_sample) *sample, cs_real weight,
                                            cs_real *dtokens, CS_TYPED(cs_grouped) *grouped);

#endif
