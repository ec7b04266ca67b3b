/* The gradient of a maximum goes to whoever won it: every query has one winner in each sample, and a
 * pair of samples one weight h for all its queries (loss/late.h).
 *
 *   dqueries[q,:] += sum_s h_s keys[start_s + winner_sq,:]      over the samples of a tile
 *   dkeys[k,:]    += h sum_{q with winner k} queries[q,:]       of one sample
 *
 * Sums run in the order of s and of q. Each row of the result stays in registers while it is formed,
 * so that every row of the operand is read once. 2 Q D FLOP for each pair of samples.
 */
#ifndef CS_WINNERS_H
#define CS_WINNERS_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"

typedef struct {
    size_t *index, *first; /* [max(Q, samples)], [K + 1] */
    cs_real *weight;       /* [max(Q, samples)] */
} CS_TYPED(cs_winner_room);

void CS_TYPED(cs_winner_room_layout)(size_t most_queries, size_t most_samples, size_t most_keys,
                                     cs_arena *arena, CS_TYPED(cs_winner_room) *room);

/* winner of sample s: winner + s winner_row. Samples without keys (start_s = start_s+1) have none. */
void CS_TYPED(cs_winners_to_queries)(size_t Q, size_t samples, size_t D, const size_t *start,
                                     const uint16_t *winner, size_t winner_row, const cs_real *h,
                                     const cs_real *keys, CS_TYPED(cs_winner_room) *room,
                                     cs_real *dqueries);

void CS_TYPED(cs_winners_to_keys)(size_t Q, size_t K, size_t D, const uint16_t *winner, cs_real h,
                                  const cs_real *queries, CS_TYPED(cs_winner_room) *room,
                                  cs_real *dkeys);

#endif
