#include "op/attention.h"

#include <string.h>

#include "base/real.h"
#include "op/layer_kernels.h"
#include "la/rows.h"
#include "la/tiles.h"

/* Scores are held with keys along rows and queries along lanes: sums over keys then are sums of
 * whole vectors, and a key's mask is a row's. QUERIES at most are in hand at once, padded to lanes.
 */
enum { QUERIES = 64, LANES = 16 };

static size_t
lanes_of(size_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/* Elements of one thread's scratch: scores and their gradients; transposed queries and dy; three
 * numbers a query; ones for sums that go on from block to block. */
static size_t
thread_elements(size_t T, size_t d)
{
    return 2 * T * QUERIES + 2 * d * QUERIES + 3 * QUERIES + lanes_of(T);
}

size_t
CS_TYPED(cs_attention_scratch)(size_t longest, size_t C, size_t H, size_t threads)
{
    return H == 0 ? 0 : threads * thread_elements(longest, C / H) * sizeof(cs_real);
}

#ifndef CS_FLOAT64
size_t
cs_longest_sequence(size_t B, const int32_t *offsets)
{
    int64_t longest = 0;
    for (size_t b = 0; b < B; b++) {
        int64_t length = (int64_t)offsets[b + 1] - offsets[b];
        longest = length > longest ? length : longest;
    }
    return (size_t)longest;
}
#endif

static cs_status
check(size_t N, size_t B, size_t C, size_t H, const int32_t *offsets)
{
    if (H == 0 || C % H != 0 || offsets[0] != 0 || (size_t)offsets[B] != N)
        return CS_EVALUE;
    for (size_t b = 0; b < B; b++) {
        if (offsets[b + 1] < offsets[b])
            return CS_EVALUE;
    }
    return CS_OK;
}

/* One head of one sequence. Keys beyond the last valid one are never touched. */
typedef struct {
    size_t first, T, column; /* row of the sequence, its rows, column of the head */
    size_t C, d, stride, keys; /* stride between rows of qkv */
    int causal;
    const uint8_t *valid;
    const cs_real *q, *k, *v;
    cs_real scale;
    cs_real *s, *dp;             /* [keys, W] */
    cs_real *turned_q, *turned_dy; /* [d, W] */
    cs_real *inverse, *along, *spare, *ones;
} head_view;

/* What all heads share. */
typedef struct {
    size_t N, B, C, H, longest;
    int causal;
    const int32_t *offsets;
    const cs_real *qkv;
    const uint8_t *valid;
    void *scratch;
} batch;

static head_view
view_head(const batch *all, size_t index)
{
    size_t b = index / all->H, C = all->C, d = C / all->H, first = (size_t)all->offsets[b];
    cs_real *mine = (cs_real *)all->scratch +
                    (size_t)cs_thread_id() * thread_elements(all->longest, d);
    head_view head = {.first = first, .T = (size_t)all->offsets[b + 1] - first,
                      .column = index % all->H * d, .C = C, .d = d, .stride = 3 * C,
                      .causal = all->causal, .scale = 1 / sqrt((cs_real)d)};
    size_t T = head.T;
    head.valid = all->valid != NULL ? all->valid + first : NULL;
    head.keys = T;
    while (head.valid != NULL && head.keys > 0 && !head.valid[head.keys - 1])
        head.keys--;
    head.q = all->qkv + first * 3 * C + head.column;
    head.k = head.q + C;
    head.v = head.k + C;
    head.s = mine;
    head.dp = head.s + T * QUERIES;
    head.turned_q = head.dp + T * QUERIES;
    head.turned_dy = head.turned_q + d * QUERIES;
    head.inverse = head.turned_dy + d * QUERIES;
    head.along = head.inverse + QUERIES;
    head.spare = head.along + QUERIES;
    head.ones = head.spare + QUERIES;
    for (size_t t = 0; t < T; t++)
        head.ones[t] = 1;
    return head;
}

/* c[M,N] = a b, or c += a b. */
static void
product(size_t M, size_t N, size_t K, const cs_real *a, size_t a_row, size_t a_col,
        const cs_real *b, size_t b_row, cs_real *c, size_t c_row, const cs_real *ones)
{
    CS_TYPED(cs_product)(M, N, 1, &(CS_TYPED(cs_term)){K, a, a_row, a_col, b, b_row},
                         &(CS_TYPED(cs_result)){.c = c, .c_row = c_row, .e = ones,
                                                .rows = ones != NULL ? c : NULL,
                                                .rows_row = c_row});
}

/* Where block `i` of queries begins, T cut evenly into blocks of at most QUERIES. */
static size_t
block_start(size_t T, size_t i)
{
    size_t blocks = (T + QUERIES - 1) / QUERIES;
    return blocks > 0 ? i * T / blocks : 0;
}

/* Scores s[k,l] = <key k, query t + l>; padded lanes are queries of zeros. */
static void
scores(const head_view *head, size_t t, size_t queries)
{
    size_t W = lanes_of(queries);
    CS_TYPED(cs_transpose)(queries, head->d, W, head->q + t * head->stride, head->stride,
                           head->turned_q);
    product(head->keys, W, head->d, head->k, head->stride, 1, head->turned_q, W, head->s, W, NULL);
}

static void
forward_block(const head_view *head, size_t t, size_t queries, cs_real *y, cs_real *lse)
{
    size_t W = lanes_of(queries);
    scores(head, t, queries);
    CS_TYPED(cs_layer_rows)()->weights(head->keys, W, t, head->causal, head->valid, head->scale,
                                       head->s, head->spare, head->inverse);
    memcpy(lse + t, head->spare, queries * sizeof *lse);
    product(queries, head->d, head->keys, head->s, 1, W, head->v, head->stride, y + t * head->C,
            head->C, NULL);
    for (size_t l = 0; l < queries; l++) {
        for (size_t i = 0; i < head->d; i++)
            y[(t + l) * head->C + i] *= head->inverse[l];
    }
}

cs_status
CS_TYPED(cs_attention_forward)(size_t N, size_t B, size_t C, size_t H, int causal,
                               const int32_t *offsets, const cs_real *qkv, const uint8_t *valid,
                               cs_real *y, cs_real *lse, size_t threads, void *scratch)
{
    CS_TRY(check(N, B, C, H, offsets));
    const batch all = {N, B, C, H, cs_longest_sequence(B, offsets), causal, offsets, qkv, valid,
                       scratch};
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t index = 0; index < B * H; index++) {
        head_view head = view_head(&all, index);
        for (size_t i = 0; block_start(head.T, i) < head.T; i++) {
            size_t t = block_start(head.T, i);
            forward_block(&head, t, block_start(head.T, i + 1) - t,
                          y + head.first * C + head.column, lse + index % H * N + head.first);
        }
    }
    return CS_OK;
}

/* Gradients of the queries of a block, and its share of those of keys and values. */
static void
backward_block(const head_view *head, size_t t, size_t queries, const cs_real *y,
               const cs_real *lse, const cs_real *dy, cs_real *dq)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const size_t W = lanes_of(queries), stride = head->stride, C = head->C, d = head->d;
    const cs_real *sum_up = t > 0 ? head->ones : NULL;
    scores(head, t, queries);
    CS_TYPED(cs_transpose)(queries, d, W, dy + t * C, C, head->turned_dy);
    product(head->keys, W, d, head->v, stride, 1, head->turned_dy, W, head->dp, W, NULL);
    for (size_t l = 0; l < W; l++) {
        head->along[l] = l < queries ? rows->dot(d, dy + (t + l) * C, y + (t + l) * C) : 0;
        head->spare[l] = l < queries ? lse[t + l] : 0;
    }
    CS_TYPED(cs_layer_rows)()->weights_backward(head->keys, W, t, head->causal, head->valid,
                                                head->scale, head->spare, head->along, head->s,
                                                head->dp);
    product(queries, d, head->keys, head->dp, 1, W, head->k, stride, dq + t * stride, stride, NULL);
    product(head->keys, d, queries, head->dp, W, 1, head->q + t * stride, stride, dq + C, stride,
            sum_up);
    product(head->keys, d, queries, head->s, W, 1, dy + t * C, C, dq + 2 * C, stride, sum_up);
}

cs_status
CS_TYPED(cs_attention_backward)(size_t N, size_t B, size_t C, size_t H, int causal,
                                const int32_t *offsets, const cs_real *qkv, const uint8_t *valid,
                                const cs_real *y, const cs_real *lse, const cs_real *dy,
                                cs_real *dqkv, size_t threads, void *scratch)
{
    CS_TRY(check(N, B, C, H, offsets));
    const batch all = {N, B, C, H, cs_longest_sequence(B, offsets), causal, offsets, qkv, valid,
                       scratch};
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t index = 0; index < B * H; index++) {
        head_view head = view_head(&all, index);
        size_t at = head.first * C + head.column;
        cs_real *dq = dqkv + head.first * 3 * C + head.column;
        for (size_t i = 0; block_start(head.T, i) < head.T; i++) {
            size_t t = block_start(head.T, i);
            backward_block(&head, t, block_start(head.T, i + 1) - t, y + at,
                           lse + index % H * N + head.first, dy + at, dq);
        }
        for (size_t s = head.keys; s < head.T; s++) {
            memset(dq + s * 3 * C + C, 0, head.d * sizeof *dq);
            memset(dq + s * 3 * C + 2 * C, 0, head.d * sizeof *dq);
        }
    }
    return CS_OK;
}
