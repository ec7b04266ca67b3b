/* Softmaxes over the rows and over the columns of tiles of logits U [R, C], compiled for every
 * instruction set and reached through a table.
 *
 * Entries that take no part (padding, the matching entry itself) hold CS_MASKED. The matching entry
 * is left out of the log-sums because confident rows then keep their digits: with o the log-sum of
 * the other entries, loss = softplus(o - U_ii) and softmax_ii - 1 = -sigmoid(o - U_ii)
 * (loss/entropy/logsumexp.h).
 */
#ifndef CS_KERNEL_LOGITS_H
#define CS_KERNEL_LOGITS_H

#include <stddef.h>

#include "base/real.h"

/* Below any logit, and far enough from the edge of the type that differences stay finite. */
#define CS_MASKED (-CS_REAL_MAX / 4)

/* The logits U [L, lanes] of grouped vectors with the tokens of their caption, the matching entries
 * and padding masked, on the way back. */
typedef struct {
    const cs_real *matching, *dmatching;  /* [L] U_jj and its gradient */
    const cs_real *row_lse, *column_lse;  /* [L], [lanes] */
    const cs_real *row_factor, *column_factor;
    cs_real *u;                           /* U in, row_factor_j column_factor_k G_jk out */
    cs_real *row_along, *column_along;    /* [L], [lanes] out: sums of G o U */
} CS_TYPED(cs_matching);

typedef struct {
    /* Largest entry and sum of exp(entry - largest) of every row of U. */
    void (*row_states)(size_t R, size_t C, const cs_real *u, cs_real *row_top, cs_real *row_sum);
    /* g = weight exp(u - row_lse). */
    void (*row_gradient)(size_t R, size_t C, cs_real weight, const cs_real *u,
                         const cs_real *row_lse, cs_real *g);
    /* Largest entry and sum of exp(entry - largest) of every row and every column of U. */
    void (*tile_states)(size_t R, size_t C, const cs_real *u, cs_real *row_top, cs_real *row_sum,
                        cs_real *column_top, cs_real *column_sum);
    /* g = weight (exp(u - row_lse) + exp(u - column_lse)). */
    void (*tile_gradient)(size_t R, size_t C, cs_real weight, const cs_real *u,
                          const cs_real *row_lse, const cs_real *column_lse, cs_real *g);
    /* G = weight (exp(U - row_lse) + exp(U - column_lse)), dmatching on the diagonal. */
    void (*matching_gradient)(size_t L, size_t lanes, cs_real weight,
                              const CS_TYPED(cs_matching) *matching);
    /* x_rk *= row_r lane_k over x [R, C]. */
    void (*scale_outer)(size_t R, size_t C, const cs_real *row, const cs_real *lane, cs_real *x);
    /* sum_k += x_rk y_rk for every row r. */
    void (*column_dot)(size_t R, size_t C, const cs_real *x, const cs_real *y, cs_real *sum);
} CS_TYPED(cs_logit_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_logit_kernels) *CS_TYPED(cs_logit_kernels_in_use)(void);

#endif
