/* One direction of MGCA's token alignment, for one sample, forward and backward: x, the words or
 * the patches, attend to y, the others, and each x is to be told from the rest by what it received.
 *
 *   o = cross-attention of x [N,D] over y [M,D], both unit vectors; oh its unit vectors
 *   E = scale x oh^T [N,N],  loss = 1/(2N) [ CE(E) + CE(E^T) ]     (loss/entropy/diagonal.h)
 *
 * With weights: q = x Wq^T + bq, k = y Wk^T + bk, u = y Wv^T + bv, each [.,H] and cut into heads of
 * H / heads; A = softmax(q k^T / sqrt(H / heads)); o = (A u) Wo^T + bo. Without: A = softmax(scale
 * x y^T), o = A y. Adding one vector to all keys leaves A as it is, so the gradient of bk is
 * exactly 0.
 *
 * Cost 4 DH (N + M) + 4 NMH + 2 NND FLOP, three times that with gradients. On the calling thread.
 * Scratch: 8 arrays [n,H], 3 [n,D], 2 [n,n] and (heads + 2) [N,M], n the larger of N and M; where N
 * counts columns it is rounded up to whole lanes.
 */
#ifndef CS_MGCA_CROSS_ATTENTION_H
#define CS_MGCA_CROSS_ATTENTION_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/entropy/diagonal.h"

/* Wq, Wk, Wv lie one after another in inner [3,H,D], their biases in inner_bias [3,H]; out
 * [D,H]. */
typedef struct {
    size_t H, heads;
    const cs_real *inner, *out;           /* NULL: without weights */
    const cs_real *inner_bias, *out_bias; /* or NULL */
    cs_real *dinner, *dout, *dinner_bias, *dout_bias; /* added to */
    const cs_real *inner_columns, *out_columns; /* [D,3H], [H,D] transposes, made by tokens.c */
} CS_TYPED(cs_attention_weights);

typedef struct {
    cs_real *q, *k, *u, *mixed, *dq, *dk, *du, *dmixed; /* [n,H] */
    cs_real *o, *d_o;                                   /* [n,D]: output, then unit; gradient */
    cs_real *columns;                                   /* [D or H,lanes]: transposed rows */
    cs_real *a;                                         /* [heads,M,lanes] keys by queries */
    cs_real *logits, *d;                                /* [M,lanes] */
    cs_real *e, *g;                                     /* [N,lanes] */
    cs_real *norm, *top, *sum;                          /* [n] */
    CS_TYPED(cs_square) square; /* of e */
} CS_TYPED(cs_attention_arrays);

/* At most P rows on one side and L on the other. */
void CS_TYPED(cs_attention_arrays_layout)(size_t P, size_t L, size_t D, size_t H, size_t heads,
                                          cs_arena *arena, CS_TYPED(cs_attention_arrays) *arrays);

/* Returns the loss. With dx and dy (both or neither NULL) adds `weight` times the gradients to dx
 * [N,D], dy [M,D], *dscale and those of the weights. N, M >= 1. */
double CS_TYPED(cs_cross_attention)(size_t N, size_t M, size_t D, const cs_real *x,
                                    const cs_real *y,
                                    const CS_TYPED(cs_attention_weights) *weights, cs_real scale,
                                    cs_real weight, CS_TYPED(cs_attention_arrays) *arrays,
                                    double *dscale, cs_real *dx, cs_real *dy);

#endif
