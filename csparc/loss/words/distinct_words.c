#include "loss/words/distinct_words.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"

enum { EMPTY = -1 };

typedef struct {
    size_t places;  /* of the table, a power of two, at least twice the tokens */
    uint8_t *seen;  /* [B] */
    uint64_t *hash; /* [B L] of each token's numbers and word */
    int64_t *table; /* [places] a row, or EMPTY */
} workspace;

static workspace
layout(size_t B, size_t L, cs_arena *arena)
{
    workspace w = {.places = 1};
    while (w.places < CS_SIZE(2, B, L) && w.places <= SIZE_MAX / 2)
        w.places *= 2;
    w.seen = CS_TAKE(arena, uint8_t, B);
    w.hash = CS_TAKE(arena, uint64_t, B, L);
    w.table = CS_TAKE(arena, int64_t, w.places);
    return w;
}

size_t
CS_TYPED(cs_distinct_words_scratch)(size_t B, size_t L)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, L, &counter);
    return counter.used;
}

cs_status
CS_TYPED(cs_check_sets)(size_t B, const cs_sets *sets, uint8_t *seen)
{
    memset(seen, 0, B);
    if (sets->start[0] != 0 || sets->start[sets->count] != (int64_t)B)
        return CS_EVALUE;
    for (size_t s = 0; s < sets->count; s++)
        if (sets->start[s] > sets->start[s + 1] || sets->start[s] < 0)
            return CS_EVALUE;
    for (size_t q = 0; q < B; q++) {
        if (sets->order[q] < 0 || sets->order[q] >= (int64_t)B || seen[sets->order[q]])
            return CS_EVALUE;
        seen[sets->order[q]] = 1;
    }
    return CS_OK;
}

/* The finaliser of splitmix64, which spreads every bit of its argument over all others. */
static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Four chains side by side, because each step of one waits for the step before. */
static uint64_t
hash_of(size_t bytes, int64_t word, const char *x)
{
    enum { CHAINS = 4, BYTES = sizeof(uint64_t) };
    uint64_t chain[CHAINS] = {mix((uint64_t)word), 1, 2, 3};
    for (size_t at = 0, i = 0; at < bytes; at += BYTES, i = (i + 1) % CHAINS) {
        uint64_t bits = 0;
        memcpy(&bits, x + at, bytes - at < BYTES ? bytes - at : BYTES);
        chain[i] = (chain[i] ^ bits) * 0x9e3779b97f4a7c15u;
        chain[i] ^= chain[i] >> 32;
    }
    return mix(mix(mix(chain[0]) ^ chain[1]) ^ mix(chain[2] ^ mix(chain[3])));
}

cs_status
CS_TYPED(cs_distinct_words)(size_t B, size_t L, size_t row_bytes, const cs_sets *sets,
                            const void *tokens, const int64_t *word, int64_t *row,
                            int64_t *first, int64_t *row_start, void *scratch)
{
    cs_arena arena = {scratch, 0};
    workspace w = layout(B, L, &arena);
    const char *x = tokens;
    int64_t rows = 0;
    if (x == NULL)
        return CS_EVALUE;
    CS_TRY(CS_TYPED(cs_check_sets)(B, sets, w.seen));
    CS_EACH(t, B * L, cs_threads_for_entries(B * L, B * L * row_bytes / sizeof(cs_real)),
            w.hash[t] = word[t] < 0 ? 0 : hash_of(row_bytes, word[t], x + t * row_bytes));
    for (size_t place = 0; place < w.places; place++)
        w.table[place] = EMPTY;
    for (size_t s = 0; s < sets->count; s++) {
        row_start[s] = rows;
        for (size_t k = 0; k < (size_t)(sets->start[s + 1] - sets->start[s]) * L; k++) {
            size_t sample = (size_t)sets->order[(size_t)sets->start[s] + k / L];
            size_t t = sample * L + k % L, place = (size_t)w.hash[t] & (w.places - 1);
            row[t] = EMPTY;
            if (word[t] < 0)
                continue;
            for (; w.table[place] != EMPTY; place = (place + 1) & (w.places - 1)) {
                size_t other = (size_t)first[w.table[place]];
                if (w.table[place] >= row_start[s] && word[other] == word[t] &&
                    memcmp(x + other * row_bytes, x + t * row_bytes, row_bytes) == 0)
                    break;
            }
            if (w.table[place] == EMPTY) {
                first[rows] = (int64_t)t;
                w.table[place] = rows++;
            }
            row[t] = w.table[place];
        }
    }
    row_start[sets->count] = rows;
    return CS_OK;
}
