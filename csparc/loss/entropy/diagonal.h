/* Cross-entropies over the rows and over the columns of a square matrix of logits U whose diagonal
 * matches: the tokens of one caption with their grouped vectors, words or patches with what they
 * attend to.
 *
 *   CE(U) + CE(U^T) = sum_n [ lse_k U_nk - U_nn ] + [ lse_k U_kn - U_nn ]
 */
#ifndef CS_ENTROPY_DIAGONAL_H
#define CS_ENTROPY_DIAGONAL_H

#include "base/arena.h"
#include "base/real.h"
#include "loss/entropy/logsumexp.h"

typedef struct {
    cs_real *matching;                          /* [lanes] U_nn */
    CS_TYPED(cs_cross_entropies) rows, columns; /* [lanes] */
} CS_TYPED(cs_square);

/* Cut the arrays for at most `lanes` rows out of `arena`. */
void CS_TYPED(cs_square_layout)(size_t lanes, cs_arena *arena, CS_TYPED(cs_square) *square);

/* logits [N,lanes]: its diagonal moves to `matching` and is masked, as are lanes from N on, whose
 * lse is 0. Returns CE(U) + CE(U^T). */
double CS_TYPED(cs_square_loss)(size_t N, size_t lanes, cs_real *logits,
                                CS_TYPED(cs_square) *square);

#endif
