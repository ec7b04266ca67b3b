/* The gradient of maxima (loss/filip/max_similarity.h), which goes to the keys that attained them:
 * every query of a block of samples has one winner among the keys of each sample, and query sample
 * i with key sample j has one weight h_ij for all its queries.
 *
 *   dqueries[q,:] += sum_j h_ij keys[winner_jq,:]
 *   dkeys[k,:] += sum over i, and q won by k, of h_ij queries[q,:]
 *
 * CS_CHUNK columns of D at a time, so that the rows gathered from lie in the nearest cache; threads
 * divide the columns among them: every number is formed by one thread, samples and queries in
 * order. 4 Q D FLOP for each i and j.
 */
#ifndef CS_FILIP_MAX_BACKWARD_H
#define CS_FILIP_MAX_BACKWARD_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/filip/valid_rows.h"

typedef struct {
    size_t B;
    const CS_TYPED(cs_taken_rows) *query, *key;
    size_t first, samples;  /* the block of query samples */
    const uint16_t *winner; /* [B, winner_row]: its number among the keys of sample j */
    size_t winner_row;
    const cs_real *h;       /* [samples, B] */
    size_t most_samples;    /* key samples taken at a time */
    cs_real *dquery, *dkey; /* (B,N,D), added to */
} CS_TYPED(cs_winners);

/* Scratch of one thread: blocks of `queries` queries, keys of samples with at most `keys`. */
size_t CS_TYPED(cs_winners_scratch)(size_t queries, size_t keys);

void CS_TYPED(cs_winners_backward)(const CS_TYPED(cs_winners) *winners, size_t queries,
                                   size_t threads, void *scratch);

/* How many samples to take next from `first` on, before `end`: at most `most`, with at most
 * `most_keys` keys in all, but at least one. */
size_t CS_TYPED(cs_next_samples)(const CS_TYPED(cs_taken_rows) *keys, size_t first, size_t end,
                                 size_t most, size_t most_keys);

/* Keys of a tile where no sample has more. */
enum { CS_KEYS = 128 };

#endif
