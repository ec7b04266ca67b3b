/* A block of queries of one head and the keys they see: the arithmetic that op/attention.h and
 * op/attention_pool.h share.
 *
 * Scores are held with keys along rows and queries along lanes: sums over keys then are sums of
 * whole vectors, and a key's mask is a row's. CS_QUERIES at most are in hand at once, padded to
 * whole groups of lanes.
 */
#ifndef CS_QUERY_BLOCK_H
#define CS_QUERY_BLOCK_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"

enum { CS_QUERIES = 64, CS_QUERY_LANES = 16 };

/* Scratch of one thread. */
typedef struct {
    cs_real *s, *dp;               /* [T, CS_QUERIES] scores, gradients of weights */
    cs_real *turned_q, *turned_dy; /* [d, CS_QUERIES] */
    cs_real *inverse, *along, *spare, *x, *y; /* [CS_QUERIES] */
    cs_real *key_x, *key_y, *reach;           /* [T, padded] */
} CS_TYPED(cs_query_scratch);

/* For up to T keys of width d. */
CS_TYPED(cs_query_scratch) CS_TYPED(cs_lay_queries)(size_t T, size_t d, cs_arena *arena);

/* One head of one sequence: its columns of q, k and v, and how far apart their rows lie. */
typedef struct {
    size_t d, q_row, kv_row;
    const cs_real *q, *k, *v;
    CS_TYPED(cs_query_scratch) scratch;
} CS_TYPED(cs_head);

/* Which keys of a head some queries see: two runs of rows, the second of them registers, which all
 * see. `width` 0: every key whose `valid` is not 0 (all if NULL) and that, if causal, does not
 * follow the query. Otherwise keys of the first run and queries lie row by row on a grid so wide,
 * and see each other where neither rows nor columns are more than `reach` apart. */
typedef struct {
    size_t first, count;        /* queries */
    size_t begin[2], keys[2];
    int causal;
    const uint8_t *valid;
    size_t width, reach;
} cs_query_block;

/* y, lse of the block's queries, from the first on; y_row between rows of y. */
void CS_TYPED(cs_query_block_forward)(const CS_TYPED(cs_head) *head, const cs_query_block *block,
                                      cs_real *y, size_t y_row, cs_real *lse);

/* dq of the block's queries is written; dk and dv of its keys are written or, if `add`, added to.
 * y, lse, dy, dq are those of query 0; dq lies as q, dk and dv as k and v. */
void CS_TYPED(cs_query_block_backward)(const CS_TYPED(cs_head) *head, const cs_query_block *block,
                                       const cs_real *y, size_t y_row, const cs_real *lse,
                                       const cs_real *dy, int add, cs_real *dq, cs_real *dk,
                                       cs_real *dv);

#endif
