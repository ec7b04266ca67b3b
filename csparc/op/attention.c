#include "op/attention.h"

#include <string.h>

#include "base/blocks.h"
#include "base/real.h"
#include "la/multiply.h"
#include "la/rows.h"
#include "op/layer_kernels.h"

/* Scores are held with keys along rows and queries along lanes: sums over keys then are sums of
 * whole vectors, and a key's mask is a row's. QUERIES at most are in hand at once, padded to lanes.
 */
enum { QUERIES = 64, LANES = 16 };

static size_t
lanes_of(size_t n)
{
    return cs_ceil_divide(n, LANES) * LANES;
}

/* Elements of one thread's scratch: scores and their gradients; transposed queries and dy; three
 * numbers a query. */
static size_t
thread_elements(size_t T, size_t d)
{
    return 2 * T * QUERIES + 2 * d * QUERIES + 3 * QUERIES;
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
    size_t first, T, column;   /* row of the sequence, its rows, column of the head */
    size_t C, d, stride, keys; /* stride between rows of qkv */
    int causal;
    const uint8_t *valid;
    const cs_real *q, *k, *v;
    cs_real scale;
    cs_real *s, *dp;                 /* [keys, W] */
    cs_real *q_columns, *dy_columns; /* [d, W] transposes */
    cs_real *inverse, *along, *lse;  /* [W] 1 / sum of exp; dy . y; log sum exp */
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
view_head(const batch *all, size_t index, size_t thread)
{
    size_t b = index / all->H, C = all->C, d = C / all->H, first = (size_t)all->offsets[b];
    cs_real *mine = (cs_real *)all->scratch + thread * thread_elements(all->longest, d);
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
    head.q_columns = head.dp + T * QUERIES;
    head.dy_columns = head.q_columns + d * QUERIES;
    head.inverse = head.dy_columns + d * QUERIES;
    head.along = head.inverse + QUERIES;
    head.lse = head.along + QUERIES;
    return head;
}

/* Where block `i` of queries begins, T cut evenly into blocks of at most QUERIES. */
static size_t
block_start(size_t T, size_t i)
{
    size_t blocks = cs_ceil_divide(T, QUERIES);
    return blocks > 0 ? i * T / blocks : 0;
}

/* Scores s[k,l] = <key k, query t + l>; padded lanes are queries of zeros. */
static void
scores(const head_view *head, size_t t, size_t queries)
{
    size_t W = lanes_of(queries);
    CS_TYPED(cs_transpose)(queries, head->d, W, head->q + t * head->stride, head->stride,
                           head->q_columns);
    cs_multiply(head->keys, W, head->d, head->k, head->stride, 1, head->q_columns, W, 0, head->s,
                W);
}

static void
forward_block(const head_view *head, size_t t, size_t queries, cs_real *y, cs_real *lse)
{
    size_t W = lanes_of(queries);
    scores(head, t, queries);
    CS_TYPED(cs_layer_rows)()->weights(head->keys, W, t, head->causal, head->valid, head->scale,
                                       head->s, head->lse, head->inverse);
    memcpy(lse + t, head->lse, queries * sizeof *lse);
    cs_multiply(queries, head->d, head->keys, head->s, 1, W, head->v, head->stride, 0,
                y + t * head->C, head->C);
    for (size_t l = 0; l < queries; l++) {
        for (size_t i = 0; i < head->d; i++)
            y[(t + l) * head->C + i] *= head->inverse[l];
    }
}

static void
forward_head(const batch *all, size_t index, size_t thread, cs_real *y, cs_real *lse)
{
    head_view head = view_head(all, index, thread);
    for (size_t i = 0; block_start(head.T, i) < head.T; i++) {
        size_t t = block_start(head.T, i);
        forward_block(&head, t, block_start(head.T, i + 1) - t,
                      y + head.first * all->C + head.column,
                      lse + index % all->H * all->N + head.first);
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
    CS_EACH_DYNAMIC(index, thread, B * H, threads, forward_head(&all, index, thread, y, lse));
    return CS_OK;
}

/* Gradients of the queries of a block, and its share of those of keys and values. */
static void
backward_block(const head_view *head, size_t t, size_t queries, const cs_real *y,
               const cs_real *lse, const cs_real *dy, cs_real *dq)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const size_t W = lanes_of(queries), stride = head->stride, C = head->C, d = head->d;
    scores(head, t, queries);
    CS_TYPED(cs_transpose)(queries, d, W, dy + t * C, C, head->dy_columns);
    cs_multiply(head->keys, W, d, head->v, stride, 1, head->dy_columns, W, 0, head->dp, W);
    for (size_t l = 0; l < W; l++) {
        head->along[l] = l < queries ? rows->dot(d, dy + (t + l) * C, y + (t + l) * C) : 0;
        head->lse[l] = l < queries ? lse[t + l] : 0;
    }
    CS_TYPED(cs_layer_rows)()->weights_backward(head->keys, W, t, head->causal, head->valid,
                                                head->scale, head->lse, head->along, head->s,
                                                head->dp);
    cs_multiply(queries, d, head->keys, head->dp, 1, W, head->k, stride, 0, dq + t * stride,
                stride);
    cs_multiply(head->keys, d, queries, head->dp, W, 1, head->q + t * stride, stride, t > 0,
                dq + C, stride);
    cs_multiply(head->keys, d, queries, head->s, W, 1, dy + t * C, C, t > 0, dq + 2 * C, stride);
}

static void
backward_head(const batch *all, size_t index, size_t thread, const cs_real *y, const cs_real *lse,
              const cs_real *dy, cs_real *dqkv)
{
    head_view head = view_head(all, index, thread);
    size_t C = all->C, at = head.first * C + head.column;
    cs_real *dq = dqkv + head.first * 3 * C + head.column;
    for (size_t i = 0; block_start(head.T, i) < head.T; i++) {
        size_t t = block_start(head.T, i);
        backward_block(&head, t, block_start(head.T, i + 1) - t, y + at,
                       lse + index % all->H * all->N + head.first, dy + at, dq);
    }
    for (size_t s = head.keys; s < head.T; s++) {
        memset(dq + s * 3 * C + C, 0, head.d * sizeof *dq);
        memset(dq + s * 3 * C + 2 * C, 0, head.d * sizeof *dq);
    }
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
    CS_EACH_DYNAMIC(index, thread, B * H, threads,
                    backward_head(&all, index, thread, y, lse, dy, dqkv));
    return CS_OK;
}
