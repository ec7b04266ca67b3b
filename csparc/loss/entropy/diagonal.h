/* Cross-entropies over the rows and over the columns of a square of logits in which (n,n) is the
 * pair to be found: tokens with their grouped vectors, or with what attends to them.
 *
 *   CE(U) + CE(U^T) = sum_n [ lse_k U_nk - U_nn ] + [ lse_k U_kn - U_nn ]
 *
 * The matching pair is kept out of the log-sums (loss/kernels/sparc.h), so confident rows keep their
 * digits.
 */
#ifndef CS_ENTROPY_DIAGONAL_H
#define CS_ENTROPY_DIAGONAL_H

#include "base/arena.h"
#include "base/real.h"

typedef struct {
    cs_real *matching;                                  /* [N] U_nn */
    cs_real *row_top, *row_sum, *row_lse, *row_share;   /* [N] share = 1 - softmax of U_nn */
    cs_real *column_top, *column_sum, *column_lse, *column_share; /* [lanes] */
} CS_TYPED(cs_square);

/* Cut the arrays for at most `lanes` rows out of `arena`. */
void CS_TYPED(cs_square_layout)(size_t lanes, cs_arena *arena, CS_TYPED(cs_square) *square);

/* logits [N,lanes]: its diagonal moves to `matching` and is masked, as are lanes from N on, whose
 * column_lse is 0. Returns CE(U) + CE(U^T). */
double CS_TYPED(cs_square_loss)(size_t N, size_t lanes, cs_real *logits,
                                CS_TYPED(cs_square) *square);

#endif
