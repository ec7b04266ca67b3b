#include "op/query_block.h"

#include <string.h>

#include "base/blocks.h"
#include "base/real.h"
#include "la/multiply.h"
#include "la/rows.h"
#include "la/tiles.h"
#include "op/layer_kernels.h"

static size_t
lanes_of(size_t n)
{
    return cs_size_times(cs_ceil_divide(n, CS_QUERY_LANES), CS_QUERY_LANES);
}

CS_TYPED(cs_query_scratch)
CS_TYPED(cs_lay_queries)(size_t T, size_t d, cs_arena *arena)
{
    CS_TYPED(cs_query_scratch) s;
    s.s = CS_TAKE(arena, cs_real, T, CS_QUERIES);
    s.dp = CS_TAKE(arena, cs_real, T, CS_QUERIES);
    s.turned_q = CS_TAKE(arena, cs_real, d, CS_QUERIES);
    s.turned_dy = CS_TAKE(arena, cs_real, d, CS_QUERIES);
    cs_real **of_queries[] = {&s.inverse, &s.along, &s.spare, &s.x, &s.y};
    for (size_t i = 0; i < sizeof of_queries / sizeof *of_queries; i++)
        *of_queries[i] = CS_TAKE(arena, cs_real, CS_QUERIES);
    cs_real **of_keys[] = {&s.key_x, &s.key_y, &s.reach};
    for (size_t i = 0; i < sizeof of_keys / sizeof *of_keys; i++)
        *of_keys[i] = CS_TAKE(arena, cs_real, lanes_of(T));
    return s;
}

/* c[M,N] = a b over the keys of both runs, which lie one after the other in a [keys, W] and where
 * the block says in b. */
static void
sum_over_keys(const cs_query_block *block, size_t M, size_t N, const cs_real *a, size_t W,
              const cs_real *b, size_t b_row, cs_real *c, size_t c_row)
{
    const CS_TYPED(cs_term) terms[2] = {
        {block->keys[0], a, 1, W, b + block->begin[0] * b_row, b_row},
        {block->keys[1], a + block->keys[0] * W, 1, W, b + block->begin[1] * b_row, b_row}};
    CS_TYPED(cs_product)(M, N, block->keys[1] > 0 ? 2 : 1, terms,
                         &(CS_TYPED(cs_result)){.c = c, .c_row = c_row});
}

/* Scores s[k,l] = <key k, query first + l>; padded lanes are queries of zeros. x, x_row: the
 * queries. */
static void
scores(const CS_TYPED(cs_head) *head, const cs_query_block *block, const cs_real *keys,
       const cs_real *x, size_t x_row, cs_real *turned, cs_real *s)
{
    const size_t W = lanes_of(block->count);
    CS_TYPED(cs_transpose)(block->count, head->d, W, x + block->first * x_row, x_row, turned);
    for (size_t run = 0, n = 0; run < 2; n += block->keys[run], run++)
        if (block->keys[run] > 0)
            cs_multiply(block->keys[run], W, head->d, keys + block->begin[run] * head->kv_row,
                        head->kv_row, 1, turned, W, 0, s + n * W, W);
}

/* Places of the block's queries and keys on the grid. */
static CS_TYPED(cs_window)
place(const CS_TYPED(cs_head) *head, const cs_query_block *block)
{
    const CS_TYPED(cs_query_scratch) *s = &head->scratch;
    const size_t width = block->width, lanes = cs_least(lanes_of(block->count), CS_QUERIES);
    for (size_t l = 0; l < lanes; l++) {
        s->x[l] = (cs_real)((block->first + l) % width);
        s->y[l] = (cs_real)((block->first + l) / width);
    }
    for (size_t k = 0; k < block->keys[0] + block->keys[1]; k++) {
        const size_t row = block->begin[0] + k;
        s->key_x[k] = (cs_real)(row % width);
        s->key_y[k] = (cs_real)(row / width);
        s->reach[k] = k < block->keys[0] ? (cs_real)block->reach : (cs_real)INFINITY;
    }
    return (CS_TYPED(cs_window)){s->x, s->y, s->key_x, s->key_y, s->reach};
}

void
CS_TYPED(cs_query_block_forward)(const CS_TYPED(cs_head) *head, const cs_query_block *block,
                                 cs_real *y, size_t y_row, cs_real *lse)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    const CS_TYPED(cs_query_scratch) *s = &head->scratch;
    const size_t keys = block->keys[0] + block->keys[1], W = lanes_of(block->count);
    const cs_real scale = 1 / sqrt((cs_real)head->d);
    scores(head, block, head->k, head->q, head->q_row, s->turned_q, s->s);
    if (block->width > 0) {
        const CS_TYPED(cs_window) window = place(head, block);
        layer->window_weights(keys, W, &window, scale, s->s, s->spare, s->inverse);
    } else {
        layer->weights(keys, W, block->first, block->causal, block->valid, scale, s->s, s->spare,
                       s->inverse);
    }
    memcpy(lse + block->first, s->spare, block->count * sizeof *lse);
    y += block->first * y_row;
    sum_over_keys(block, block->count, head->d, s->s, W, head->v, head->kv_row, y, y_row);
    for (size_t l = 0; l < block->count; l++) {
        for (size_t i = 0; i < head->d; i++)
            y[l * y_row + i] *= s->inverse[l];
    }
}

void
CS_TYPED(cs_query_block_backward)(const CS_TYPED(cs_head) *head, const cs_query_block *block,
                                  const cs_real *y, size_t y_row, const cs_real *lse,
                                  const cs_real *dy, int add, cs_real *dq, cs_real *dk,
                                  cs_real *dv)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    const CS_TYPED(cs_query_scratch) *s = &head->scratch;
    const size_t d = head->d, first = block->first, count = block->count, W = lanes_of(count);
    const size_t keys = block->keys[0] + block->keys[1], kv_row = head->kv_row;
    const cs_real scale = 1 / sqrt((cs_real)d);
    scores(head, block, head->k, head->q, head->q_row, s->turned_q, s->s);
    scores(head, block, head->v, dy, y_row, s->turned_dy, s->dp);
    for (size_t l = 0; l < W; l++) {
        const size_t at = (first + l) * y_row;
        s->along[l] = l < count ? rows->dot(d, dy + at, y + at) : 0;
        s->spare[l] = l < count ? lse[first + l] : 0;
    }
    if (block->width > 0) {
        const CS_TYPED(cs_window) window = place(head, block);
        layer->window_weights_backward(keys, W, &window, scale, s->spare, s->along, s->s, s->dp);
    } else {
        layer->weights_backward(keys, W, first, block->causal, block->valid, scale, s->spare,
                                s->along, s->s, s->dp);
    }
    sum_over_keys(block, count, d, s->dp, W, head->k, kv_row, dq + first * head->q_row,
                  head->q_row);
    for (size_t run = 0, n = 0; run < 2; n += block->keys[run], run++) {
        const size_t at = block->begin[run] * kv_row, some = block->keys[run];
        if (some == 0)
            continue;
        cs_multiply(some, d, count, s->dp + n * W, W, 1, head->q + first * head->q_row,
                    head->q_row, add, dk + at, kv_row);
        cs_multiply(some, d, count, s->s + n * W, W, 1, dy + first * y_row, y_row, add, dv + at,
                    kv_row);
    }
}
