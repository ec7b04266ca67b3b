#include "op/attention.h"

#include <string.h>

#include "base/blocks.h"
#include "base/real.h"
#include "op/query_block.h"

static size_t
thread_bytes(size_t T, size_t d)
{
    cs_arena arena = {NULL, 0};
    CS_TYPED(cs_lay_queries)(T, d, &arena);
    return arena.used;
}

size_t
CS_TYPED(cs_attention_scratch)(size_t longest, size_t C, size_t H, size_t threads)
{
    return H == 0 ? 0 : cs_size_times(threads, thread_bytes(longest, C / H));
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

static int
is_grid(size_t length, const cs_attention_reach *reach)
{
    return length >= reach->registers && (length - reach->registers) % reach->width == 0;
}

static cs_status
check(size_t N, size_t B, size_t C, size_t H, const cs_attention_reach *reach,
      const int32_t *offsets, const uint8_t *valid)
{
    if (H == 0 || C % H != 0 || offsets[0] != 0 || (size_t)offsets[B] != N)
        return CS_EVALUE;
    const int windowed = reach->window > 0;
    if (windowed && (reach->window % 2 == 0 || reach->width == 0 || reach->causal || valid != NULL))
        return CS_EVALUE;
    for (size_t b = 0; b < B; b++) {
        if (offsets[b + 1] < offsets[b])
            return CS_EVALUE;
        if (windowed && !is_grid((size_t)(offsets[b + 1] - offsets[b]), reach))
            return CS_EVALUE;
    }
    return CS_OK;
}

/* What all heads share. */
typedef struct {
    size_t N, B, C, H, longest;
    const cs_attention_reach *reach;
    const int32_t *offsets;
    const cs_real *qkv;
    const uint8_t *valid;
    void *scratch;
} batch;

/* One head of one sequence. Keys beyond the last valid one are never touched. */
typedef struct {
    size_t first, T, column, keys; /* row of the sequence, its rows, column of the head */
    const uint8_t *valid;
    CS_TYPED(cs_head) rows;
} head_view;

static head_view
view_head(const batch *all, size_t index, size_t thread)
{
    size_t b = index / all->H, C = all->C, d = C / all->H, first = (size_t)all->offsets[b];
    cs_arena mine = {(char *)all->scratch + thread * thread_bytes(all->longest, d), 0};
    head_view head = {.first = first, .T = (size_t)all->offsets[b + 1] - first,
                      .column = index % all->H * d};
    head.valid = all->valid != NULL ? all->valid + first : NULL;
    head.keys = head.T;
    while (head.valid != NULL && head.keys > 0 && !head.valid[head.keys - 1])
        head.keys--;
    const cs_real *q = all->qkv + first * 3 * C + head.column;
    head.rows = (CS_TYPED(cs_head)){d, 3 * C, 3 * C, q, q + C, q + 2 * C,
                                    CS_TYPED(cs_lay_queries)(head.T, d, &mine)};
    return head;
}

/* Block `i` of n queries cut evenly into blocks of at most CS_QUERIES, all of which see the keys
 * [0, keys). */
static int
even_block(size_t n, size_t keys, size_t i, cs_query_block *out)
{
    const size_t blocks = cs_ceil_divide(n, CS_QUERIES);
    if (i >= blocks)
        return 0;
    const size_t first = i * n / blocks;
    *out = (cs_query_block){.first = first, .count = (i + 1) * n / blocks - first, .keys = {keys}};
    return 1;
}

/* Block `i` of a sequence on a grid: a few rows of patches, or a piece of a row too wide for one
 * block; then the registers. */
static int
grid_block(const cs_attention_reach *reach, size_t T, size_t i, cs_query_block *out)
{
    const size_t width = reach->width, patches = T - reach->registers, grid = patches / width;
    const size_t tall = width < CS_QUERY_LANES ? CS_QUERY_LANES / width : 1; /* rows of a block */
    const size_t pieces = cs_ceil_divide(width, CS_QUERIES); /* blocks of a row */
    const size_t blocks = pieces > 1 ? grid * pieces : cs_ceil_divide(grid, tall);
    if (i >= blocks) {
        const int some = even_block(reach->registers, T, i - blocks, out);
        out->first += some ? patches : 0;
        return some;
    }
    const size_t top = i / pieces * tall, bottom = cs_least(top + tall, grid);
    const size_t left = i % pieces * width / pieces, right = (i % pieces + 1) * width / pieces;
    const size_t away = reach->window / 2, begin = top > away ? top - away : 0;
    const size_t end = cs_least(bottom + away, grid);
    *out = (cs_query_block){.first = top * width + left, .width = width, .reach = away,
                            .count = (bottom - 1 - top) * width + right - left,
                            .begin = {begin * width, patches},
                            .keys = {(end - begin) * width, reach->registers}};
    return 1;
}

static int
block_of(const head_view *head, const cs_attention_reach *reach, size_t i, cs_query_block *out)
{
    if (reach->window > 0)
        return grid_block(reach, head->T, i, out);
    if (!even_block(head->T, head->keys, i, out))
        return 0;
    out->causal = reach->causal;
    out->valid = head->valid;
    return 1;
}

static void
forward_head(const batch *all, size_t index, size_t thread, cs_real *y, cs_real *lse)
{
    const head_view head = view_head(all, index, thread);
    cs_query_block block;
    for (size_t i = 0; block_of(&head, all->reach, i, &block); i++)
        CS_TYPED(cs_query_block_forward)(&head.rows, &block,
                                         y + head.first * all->C + head.column, all->C,
                                         lse + index % all->H * all->N + head.first);
}

cs_status
CS_TYPED(cs_attention_forward)(size_t N, size_t B, size_t C, size_t H,
                               const cs_attention_reach *reach, const int32_t *offsets,
                               const cs_real *qkv, const uint8_t *valid, cs_real *y, cs_real *lse,
                               size_t threads, void *scratch)
{
    CS_TRY(check(N, B, C, H, reach, offsets, valid));
    const batch all = {N, B, C, H, cs_longest_sequence(B, offsets), reach, offsets, qkv, valid,
                       scratch};
    CS_EACH_DYNAMIC(index, thread, B * H, threads, forward_head(&all, index, thread, y, lse));
    return CS_OK;
}

/* Gradients of keys and values from row `begin` on: 0. */
static void
clear_keys(const head_view *head, size_t begin, cs_real *dk, cs_real *dv)
{
    const size_t row = head->rows.kv_row, d = head->rows.d;
    for (size_t s = begin; s < head->T; s++) {
        memset(dk + s * row, 0, d * sizeof *dk);
        memset(dv + s * row, 0, d * sizeof *dv);
    }
}

static void
backward_head(const batch *all, size_t index, size_t thread, const cs_real *y, const cs_real *lse,
              const cs_real *dy, cs_real *dqkv)
{
    const int windowed = all->reach->window > 0; /* then blocks share some keys and not others */
    const head_view head = view_head(all, index, thread);
    const size_t C = all->C, at = head.first * C + head.column;
    cs_real *dq = dqkv + head.first * 3 * C + head.column;
    cs_query_block block;
    clear_keys(&head, windowed ? 0 : head.keys, dq + C, dq + 2 * C);
    for (size_t i = 0; block_of(&head, all->reach, i, &block); i++)
        CS_TYPED(cs_query_block_backward)(&head.rows, &block, y + at, C,
                                          lse + index % all->H * all->N + head.first, dy + at,
                                          windowed || i > 0, dq, dq + C, dq + 2 * C);
}

cs_status
CS_TYPED(cs_attention_backward)(size_t N, size_t B, size_t C, size_t H,
                                const cs_attention_reach *reach, const int32_t *offsets,
                                const cs_real *qkv, const uint8_t *valid, const cs_real *y,
                                const cs_real *lse, const cs_real *dy, cs_real *dqkv,
                                size_t threads, void *scratch)
{
    CS_TRY(check(N, B, C, H, reach, offsets, valid));
    const batch all = {N, B, C, H, cs_longest_sequence(B, offsets), reach, offsets, qkv, valid,
                       scratch};
    CS_EACH_DYNAMIC(index, thread, B * H, threads,
                    backward_head(&all, index, thread, y, lse, dy, dqkv));
    return CS_OK;
}
