#include "op/attention_pool.h"

#include <string.h>

#include "base/blocks.h"
#include "base/real.h"
#include "la/rows.h"
#include "op/query_block.h"

static cs_status
check(const cs_pool_shape *shape)
{
    if (shape->H == 0 || shape->C % shape->H != 0)
        return CS_ESHAPE;
    return shape->G == 1 || shape->G == shape->B ? CS_OK : CS_ESHAPE;
}

static size_t
thread_bytes(const cs_pool_shape *shape)
{
    cs_arena arena = {NULL, 0};
    CS_TYPED(cs_lay_queries)(shape->T, shape->C / shape->H, &arena);
    return arena.used;
}

/* Gradients of the queries of every sample, [B,Q,C], where they are shared. */
static size_t
query_bytes(const cs_pool_shape *shape)
{
    cs_arena arena = {NULL, 0};
    if (shape->G < shape->B)
        CS_TAKE(&arena, cs_real, shape->B, shape->Q, shape->C);
    return arena.used;
}

size_t
CS_TYPED(cs_attention_pool_scratch)(const cs_pool_shape *shape, int backward, size_t threads)
{
    if (check(shape) != CS_OK)
        return 0;
    return cs_size_plus(cs_size_times(threads, thread_bytes(shape)),
                        backward ? query_bytes(shape) : 0);
}

/* What all heads share. */
typedef struct {
    const cs_pool_shape *shape;
    const cs_real *q, *kv;
    const uint8_t *valid;
    void *scratch;
} batch;

/* One head of one sample, whose queries are in blocks. */
typedef struct {
    size_t query, row, column; /* first query of q, first row of kv, column of the head */
    size_t keys;               /* rows up to the last valid one */
    const uint8_t *valid;
    CS_TYPED(cs_head) rows;
} head_view;

static head_view
view_head(const batch *all, size_t index, size_t thread)
{
    const cs_pool_shape *shape = all->shape;
    const size_t b = index / shape->H, C = shape->C, d = C / shape->H, T = shape->T;
    cs_arena mine = {(char *)all->scratch + thread * thread_bytes(shape), 0};
    head_view head = {.query = shape->G == 1 ? 0 : b * shape->Q, .row = b * T,
                      .column = index % shape->H * d, .keys = T,
                      .valid = all->valid != NULL ? all->valid + b * T : NULL};
    while (head.valid != NULL && head.keys > 0 && !head.valid[head.keys - 1])
        head.keys--;
    const cs_real *k = all->kv + head.row * 2 * C + head.column;
    head.rows = (CS_TYPED(cs_head)){d, C, 2 * C, all->q + head.query * C + head.column, k, k + C,
                                    CS_TYPED(cs_lay_queries)(T, d, &mine)};
    return head;
}

static int
block_of(const head_view *head, size_t Q, size_t i, cs_query_block *out)
{
    const size_t blocks = cs_ceil_divide(Q, CS_QUERIES);
    if (i >= blocks)
        return 0;
    const size_t first = i * Q / blocks;
    *out = (cs_query_block){.first = first, .count = (i + 1) * Q / blocks - first,
                            .keys = {head->keys}, .valid = head->valid};
    return 1;
}

static void
forward_head(const batch *all, size_t index, size_t thread, cs_real *y, cs_real *lse)
{
    const size_t Q = all->shape->Q, C = all->shape->C, b = index / all->shape->H;
    const head_view head = view_head(all, index, thread);
    cs_query_block block;
    for (size_t i = 0; block_of(&head, Q, i, &block); i++)
        CS_TYPED(cs_query_block_forward)(&head.rows, &block, y + b * Q * C + head.column, C,
                                         lse + index * Q);
}

cs_status
CS_TYPED(cs_attention_pool_forward)(const cs_pool_shape *shape, const cs_real *q,
                                    const cs_real *kv, const uint8_t *valid, cs_real *y,
                                    cs_real *lse, size_t threads, void *scratch)
{
    CS_TRY(check(shape));
    const batch all = {shape, q, kv, valid, scratch};
    const size_t heads = shape->B * shape->H, work = shape->B * shape->Q * shape->T * shape->C;
    CS_EACH_DYNAMIC(index, thread, heads, cs_threads_for(threads, heads, work),
                    forward_head(&all, index, thread, y, lse));
    return CS_OK;
}

static void
backward_head(const batch *all, size_t index, size_t thread, const cs_real *y, const cs_real *lse,
              const cs_real *dy, cs_real *dq, cs_real *dkv)
{
    const cs_pool_shape *shape = all->shape;
    const head_view head = view_head(all, index, thread);
    const size_t Q = shape->Q, C = shape->C, at = index / shape->H * Q * C + head.column;
    cs_real *dk = dkv + head.row * 2 * C + head.column;
    cs_query_block block;
    /* With no query, no block writes the gradient of the keys. */
    for (size_t t = Q > 0 ? head.keys : 0; t < shape->T; t++) {
        memset(dk + t * 2 * C, 0, head.rows.d * sizeof *dk);
        memset(dk + t * 2 * C + C, 0, head.rows.d * sizeof *dk);
    }
    for (size_t i = 0; block_of(&head, Q, i, &block); i++)
        CS_TYPED(cs_query_block_backward)(&head.rows, &block, y + at, C, lse + index * Q, dy + at,
                                          i > 0, dq + at, dk, dk + C);
}

cs_status
CS_TYPED(cs_attention_pool_backward)(const cs_pool_shape *shape, const cs_real *q,
                                     const cs_real *kv, const uint8_t *valid, const cs_real *y,
                                     const cs_real *lse, const cs_real *dy, cs_real *dq,
                                     cs_real *dkv, size_t threads, void *scratch)
{
    CS_TRY(check(shape));
    const size_t row = shape->Q * shape->C, heads = shape->B * shape->H;
    const int shared = shape->G < shape->B;
    cs_real *each = shared ? scratch : (void *)dq; /* [B,Q,C] */
    const batch all = {shape, q, kv, valid, (char *)scratch + query_bytes(shape)};
    CS_EACH_DYNAMIC(index, thread, heads,
                    cs_threads_for(threads, heads, shape->B * row * shape->T),
                    backward_head(&all, index, thread, y, lse, dy, each, dkv));
    if (shape->B == 0)
        memset(dq, 0, shape->G * row * sizeof *dq);
    if (shared)
        for (size_t b = 0; b < shape->B; b++)
            CS_TYPED(cs_rows)()->scale_add(row, 1, each + b * row, b > 0, dq);
    return CS_OK;
}
