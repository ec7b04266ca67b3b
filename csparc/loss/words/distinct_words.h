/* Words of a batch that are the same number for number, so that each is computed once.
 *
 * Samples are contrasted within sets: order (B) lists the samples, set after set, and set s is
 * order[start_s .. start_s+1). Tokens of one set with the same word and the same bits share a row.
 *
 *   tokens (B L) rows of row_bytes, word (B,L): the number of a token's word, negative where it
 *     takes no part
 *   order (B), start (S)
 *   row (B,L) out: the token's row, -1 where it takes no part; rows are numbered by first
 *     appearance, set after set
 *   first (B L) out: a token of each row; row_start (S) out: the first row of each set
 *
 * Sets that do not cut the samples into parts: CS_EVALUE. A hash table of all rows; every token is
 * read once. No tokens: CS_EVALUE.
 */
#ifndef CS_WORDS_DISTINCT_WORDS_H
#define CS_WORDS_DISTINCT_WORDS_H

#include "base/real.h"
#include "csparc.h"

/* Samples in an order, cut into sets. */
typedef struct {
    size_t count;                /* of sets */
    const int64_t *order, *start; /* [B], [count + 1] */
} cs_sets;

/* CS_OK where `start` cuts B samples and `order` has each of them once. seen [B] is scratch. */
cs_status CS_TYPED(cs_check_sets)(size_t B, const cs_sets *sets, uint8_t *seen);

size_t CS_TYPED(cs_distinct_words_scratch)(size_t B, size_t L);

cs_status CS_TYPED(cs_distinct_words)(size_t B, size_t L, size_t row_bytes, const cs_sets *sets,
                                      const void *tokens, const int64_t *word, int64_t *row,
                                      int64_t *first, int64_t *row_start, void *scratch);

#endif
