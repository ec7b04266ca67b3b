#include "loss/winners.h"

#include <string.h>

#include "base/real.h"
#include "loss/pair_kernels.h"

void
CS_TYPED(cs_winner_room_layout)(size_t most_queries, size_t most_samples, size_t most_keys,
                                cs_arena *arena, CS_TYPED(cs_winner_room) *room)
{
    size_t most = most_queries > most_samples ? most_queries : most_samples;
    room->index = cs_arena_take(arena, most * sizeof(size_t));
    room->first = cs_arena_take(arena, (most_keys + 1) * sizeof(size_t));
    room->weight = cs_arena_take(arena, most * sizeof(cs_real));
}

void
CS_TYPED(cs_winners_to_queries)(size_t Q, size_t samples, size_t D, const size_t *start,
                                const uint16_t *winner, size_t winner_row, const cs_real *h,
                                const cs_real *keys, CS_TYPED(cs_winner_room) *room,
                                cs_real *dqueries)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    for (size_t q = 0; q < Q; q++) {
        size_t live = 0;
        for (size_t s = 0; s < samples; s++) {
            if (start[s] == start[s + 1])
                continue;
            room->weight[live] = h[s];
            room->index[live++] = start[s] + winner[s * winner_row + q];
        }
        kernels->add_rows(D, live, room->weight, room->index, keys, dqueries + q * D);
    }
}

void
CS_TYPED(cs_winners_to_keys)(size_t Q, size_t K, size_t D, const uint16_t *winner, cs_real h,
                             const cs_real *queries, CS_TYPED(cs_winner_room) *room, cs_real *dkeys)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    /* Queries sorted by winner: first[k] is where those of key k begin, once all are placed. */
    memset(room->first, 0, (K + 1) * sizeof(size_t));
    for (size_t q = 0; q < Q; q++)
        room->first[winner[q] + 1]++;
    for (size_t k = 0; k < K; k++)
        room->first[k + 1] += room->first[k];
    for (size_t q = 0; q < Q; q++) {
        room->index[room->first[winner[q]]++] = q;
        room->weight[q] = h;
    }
    for (size_t k = 0, begin = 0; k < K; begin = room->first[k++])
        kernels->add_rows(D, room->first[k] - begin, room->weight, room->index + begin, queries,
                          dkeys + k * D);
}
