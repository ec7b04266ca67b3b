#include "loss/filip/max_backward.h"

#include <string.h>

#include "base/blocks.h"
#include "base/real.h"
#include "loss/kernels/pairs.h"

/* What one thread works with: CS_CHUNK columns of everything. */
typedef struct {
    cs_real *queries, *dqueries; /* [queries, CS_CHUNK] */
    cs_real *keys, *dkeys;       /* [keys, CS_CHUNK] */
} columns;

static size_t
layout_columns(size_t queries, size_t keys, cs_arena *arena, columns *c)
{
    size_t before = arena->used;
    keys = keys > CS_KEYS ? keys : CS_KEYS;
    c->queries = CS_TAKE(arena, cs_real, queries, CS_CHUNK);
    c->dqueries = CS_TAKE(arena, cs_real, queries, CS_CHUNK);
    c->keys = CS_TAKE(arena, cs_real, keys, CS_CHUNK);
    c->dkeys = CS_TAKE(arena, cs_real, keys, CS_CHUNK);
    return arena->used - before;
}

size_t
CS_TYPED(cs_winners_scratch)(size_t queries, size_t keys)
{
    cs_arena counter = {NULL, 0};
    columns measured;
    return layout_columns(queries, keys, &counter, &measured);
}

size_t
CS_TYPED(cs_next_samples)(const CS_TYPED(cs_taken_rows) *keys, size_t first, size_t end,
                          size_t most, size_t most_keys)
{
    size_t samples = 1;
    while (first + samples < end && samples < most &&
           keys->start[first + samples + 1] - keys->start[first] <= most_keys)
        samples++;
    return samples;
}

/* Query sample r of the block and the keys of samples j0 .. end, which are what `own` holds. */
static void
exchange(const CS_TYPED(cs_winners) *w, size_t r, size_t j0, size_t end, const columns *own)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    const size_t *start = w->key->start;
    size_t at = w->query->start[w->first + r] - w->query->start[w->first];
    size_t Q = CS_TYPED(cs_taken_of)(w->query, w->first + r);
    const cs_real *keys[CS_GATHERED], *h = w->h + r * w->B;
    cs_real *dkeys[CS_GATHERED], weight[CS_GATHERED];
    const uint16_t *winner[CS_GATHERED];
    size_t some = 0;
    for (size_t j = j0; j < end; j++) {
        if (start[j] < start[j + 1]) {
            size_t place = (start[j] - start[j0]) * CS_CHUNK;
            winner[some] = w->winner + j * w->winner_row + at;
            keys[some] = own->keys + place;
            dkeys[some] = own->dkeys + place;
            weight[some++] = h[j];
        }
        if (some == CS_GATHERED || (some > 0 && j + 1 == end)) {
            kernels->gather_rows(Q, some, winner, weight, keys, own->dqueries + at * CS_CHUNK);
            kernels->scatter_rows(Q, some, winner, weight, own->queries + at * CS_CHUNK, dkeys);
            some = 0;
        }
    }
}

/* Columns d0 .. d0 + CS_CHUNK of all gradients the block has a part in. */
static void
backward_of_columns(const CS_TYPED(cs_winners) *w, size_t d0, size_t queries, void *scratch)
{
    const CS_TYPED(cs_taken_rows) *query = w->query, *key = w->key;
    cs_arena arena = {scratch, 0};
    columns space, *own = &space;
    (void)layout_columns(queries, key->N, &arena, own);
    size_t first = query->start[w->first], count = query->start[w->first + w->samples] - first;
    CS_TYPED(cs_taken_rows_chunk)(query, first, count, d0, own->queries);
    memset(own->dqueries, 0, count * CS_CHUNK * sizeof(cs_real));
    for (size_t j = 0, end; j < w->B; j = end) {
        end = j + CS_TYPED(cs_next_samples)(key, j, w->B, w->most_samples, CS_KEYS);
        size_t place = key->start[j], keys = key->start[end] - place;
        CS_TYPED(cs_taken_rows_chunk)(key, place, keys, d0, own->keys);
        memset(own->dkeys, 0, keys * CS_CHUNK * sizeof(cs_real));
        for (size_t r = 0; r < w->samples; r++)
            exchange(w, r, j, end, own);
        CS_TYPED(cs_taken_rows_add)(key, place, keys, d0, own->dkeys, w->dkey);
    }
    CS_TYPED(cs_taken_rows_add)(query, first, count, d0, own->dqueries, w->dquery);
}

void
CS_TYPED(cs_winners_backward)(const CS_TYPED(cs_winners) *w, size_t queries, size_t threads,
                              void *scratch)
{
    size_t bytes = CS_TYPED(cs_winners_scratch)(queries, w->key->N);
    size_t chunks = cs_ceil_divide(w->query->D, CS_CHUNK);
    size_t moved = 2 * queries * w->B * w->query->D;
    CS_EACH_DYNAMIC(chunk, thread, chunks, cs_threads_for(threads, chunks, moved),
                    backward_of_columns(w, chunk * CS_CHUNK, queries,
                                        (char *)scratch + thread * bytes));
}
