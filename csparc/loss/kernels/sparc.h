/* Loops of the losses over small matrices, compiled for every instruction set and reached through
 * a table. Two kinds:
 *
 * Alignment: matrices [P, lanes], one caption token a lane, so minima, maxima and sums over patches
 * run down the rows with no sum across lanes. `lanes` is L rounded up to CS_LANES; lanes past the
 * last token hold anything finite and are never read by the caller.
 *
 * Tiles of logits U [R, C]: entries that take no part (padding, the matching pair itself) hold
 * CS_MASKED. Leaving the matching pair out of the log-sum-exp keeps the digits of confident rows:
 * loss = softplus(lse_off - U_ii), softmax_ii - 1 = -sigmoid(same).
 */
#ifndef CS_LOSS_KERNELS_H
#define CS_LOSS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/real.h"

enum { CS_LANES = 8 };

static inline size_t
cs_whole_lanes(size_t n)
{
    return (n + CS_LANES - 1) / CS_LANES * CS_LANES;
}

/* Below any logit, and far enough from the edge of the type that differences stay finite. */
#define CS_MASKED (-CS_REAL_MAX / 4)

/* What the backward of an alignment needs, one entry a lane. */
typedef struct {
    cs_real *low;     /* min_p s; softmax: the largest logit */
    cs_real *cut;     /* keep where s - low >= cut */
    cs_real *divisor; /* Z' = sum_p keep (s - low); softmax: sum of exponentials */
    cs_real *live;    /* 0: degenerate, the weights do not depend on s */
    cs_real *kept;    /* number of patches kept */
    cs_real *factor;  /* softmax: logit = factor * s */
    cs_real *total;   /* softmax_backward: its total */
    int32_t *lowest;  /* first p that attains low */
} CS_TYPED(cs_lane_state);

/* The logits U [L, lanes] of grouped vectors with the tokens of their caption, matching pairs and
 * padding masked, on the way back. */
typedef struct {
    const cs_real *matching, *dmatching;  /* [L] U_jj and its gradient */
    const cs_real *row_lse, *column_lse;  /* [L], [lanes] */
    const cs_real *row_factor, *column_factor;
    cs_real *u;                           /* U in, row_factor_j column_factor_k G_jk out */
    cs_real *row_along, *column_along;    /* [L], [lanes] out: sums of G o U */
} CS_TYPED(cs_matching);

typedef struct {
    /* s, weights [P, lanes]: equations 2 to 4. A row whose range is at most 1e-6 of its largest
     * magnitude is degenerate: weight `fill` everywhere. sigma < 0 keeps every patch. */
    void (*minmax_forward)(size_t P, size_t lanes, cs_real sigma, cs_real fill, const cs_real *s,
                           CS_TYPED(cs_lane_state) state, cs_real *weights);
    /* ds = keep (g - gbar) / Z' - [p = lowest] sum_q keep (g - gbar) / Z',  gbar = sum_p a g. Here
     * and below ds may be g. */
    void (*minmax_backward)(size_t P, size_t lanes, const cs_real *s,
                            CS_TYPED(cs_lane_state) state, const cs_real *weights,
                            const cs_real *g, cs_real *ds);
    /* weights = softmax over p of factor * s. */
    void (*softmax_forward)(size_t P, size_t lanes, const cs_real *s,
                            CS_TYPED(cs_lane_state) state, cs_real *weights);
    /* ds = factor a (g - gbar); total = sum_p a (g - gbar) s. */
    void (*softmax_backward)(size_t P, size_t lanes, const cs_real *s,
                             CS_TYPED(cs_lane_state) state, const cs_real *weights,
                             const cs_real *g, cs_real *ds);
    /* Largest entry and sum of exp(entry - largest) of every row and every column of U. */
    void (*tile_states)(size_t R, size_t C, const cs_real *u, cs_real *row_top, cs_real *row_sum,
                        cs_real *column_top, cs_real *column_sum);
    /* g = weight (exp(u - row_lse) + exp(u - column_lse)). */
    void (*tile_gradient)(size_t R, size_t C, cs_real weight, const cs_real *u,
                          const cs_real *row_lse, const cs_real *column_lse, cs_real *g);
    /* G = weight (exp(U - row_lse) + exp(U - column_lse)), dmatching for matching pairs. */
    void (*matching_gradient)(size_t L, size_t lanes, cs_real weight,
                              const CS_TYPED(cs_matching) *matching);
    /* x_rk *= row_r lane_k over x [R, C]. */
    void (*scale_outer)(size_t R, size_t C, const cs_real *row, const cs_real *lane, cs_real *x);
    /* sum_k += x_rk y_rk for every row r. */
    void (*column_dot)(size_t R, size_t C, const cs_real *x, const cs_real *y, cs_real *sum);
} CS_TYPED(cs_loss_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_loss_kernels) *CS_TYPED(cs_loss_kernels_in_use)(void);

#endif
