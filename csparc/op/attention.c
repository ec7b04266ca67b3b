#include "op/attention.h"

#include <string.h>

#include "base/real.h"
#include "la/layer_rows.h"
#include "la/rows.h"
#include "la/small_gemm.h"

/* Query rows whose scores are held at once, and the multiple rows of scores are padded to. */
enum { ROW_BLOCK = 56, PAD = 16 };

static size_t
padded(size_t n)
{
    return (n + PAD - 1) / PAD * PAD;
}

/* Elements of one thread's scratch. */
static size_t
thread_elements(size_t T, size_t d)
{
    return 2 * padded(T) * (ROW_BLOCK + d);
}

size_t
CS_TYPED(cs_attention_scratch)(size_t T, size_t C, size_t H, size_t threads)
{
    return H == 0 ? 0 : threads * thread_elements(T, C / H) * sizeof(cs_real);
}

/* One head of one sample. Keys beyond the last valid one are never touched. */
typedef struct {
    size_t T, d, stride, keys, first_key, width; /* stride between positions; width = padded keys */
    int causal;
    const uint8_t *valid;
    const cs_real *q, *k, *v;
    cs_real scale;
    cs_real *transposed_k, *transposed_v; /* [d, width] */
    cs_real *p, *dp;                      /* [ROW_BLOCK, width] */
} head_view;

static head_view
view_head(size_t T, size_t C, size_t H, int causal, const cs_real *qkv, const uint8_t *valid,
          size_t index, void *scratch)
{
    size_t b = index / H, h = index % H, d = C / H;
    cs_real *mine = (cs_real *)scratch + (size_t)cs_thread_id() * thread_elements(T, d);
    head_view head = {.T = T, .d = d, .stride = 3 * C, .keys = T, .causal = causal,
                      .scale = 1 / sqrt((cs_real)d)};
    if (valid != NULL) {
        head.valid = valid + b * T;
        while (head.keys > 0 && !head.valid[head.keys - 1])
            head.keys--;
        while (head.first_key < head.keys && !head.valid[head.first_key])
            head.first_key++;
    }
    head.q = qkv + b * T * 3 * C + h * d;
    head.k = head.q + C;
    head.v = head.k + C;
    head.width = padded(head.keys);
    head.transposed_k = mine;
    head.transposed_v = head.transposed_k + d * head.width;
    head.p = head.transposed_v + d * head.width;
    head.dp = head.p + ROW_BLOCK * head.width;
    return head;
}

/* Keys (or values) with positions along the lanes; the padding is zero. */
static void
transpose_head(const head_view *head, const cs_real *from, cs_real *to)
{
    CS_TYPED(cs_small_gemms)()->transpose(head->keys, head->d, from, head->stride, to, head->width);
    for (size_t i = 0; i < head->d; i++)
        memset(to + i * head->width + head->keys, 0, (head->width - head->keys) * sizeof *to);
}

/* How many leading keys row t looks at; 0 when it sees none. */
static size_t
keys_of_row(const head_view *head, size_t t)
{
    size_t keys = head->causal && t + 1 < head->keys ? t + 1 : head->keys;
    return keys > head->first_key ? keys : 0;
}

/* Scores of `rows` queries from t on; what a row may not see is minus infinity. */
static void
scores(const head_view *head, size_t t, size_t rows)
{
    CS_TYPED(cs_small_gemms)()->product(rows, head->width, head->d, head->q + t * head->stride,
                                        head->stride, 1, head->transposed_k, head->width, 0,
                                        head->p, head->width);
    for (size_t s = head->first_key; head->valid != NULL && s < head->keys; s++) {
        for (size_t i = 0; !head->valid[s] && i < rows; i++)
            head->p[i * head->width + s] = -(cs_real)INFINITY;
    }
    for (size_t s = 0; s < head->first_key; s++) {
        for (size_t i = 0; i < rows; i++)
            head->p[i * head->width + s] = -(cs_real)INFINITY;
    }
}

static void
clear_unseen(const head_view *head, size_t seen, cs_real *row)
{
    memset(row + seen, 0, (head->width - seen) * sizeof *row);
}

cs_status
CS_TYPED(cs_attention_forward)(size_t B, size_t T, size_t C, size_t H, int causal,
                               const cs_real *qkv, const uint8_t *valid, cs_real *y, cs_real *lse,
                               void *scratch)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    const CS_TYPED(cs_small_gemm_kernels) *small = CS_TYPED(cs_small_gemms)();
    if (H == 0 || C % H != 0)
        return CS_EVALUE;
    CS_PARALLEL_FOR_DYNAMIC
    for (size_t index = 0; index < B * H; index++) {
        head_view head = view_head(T, C, H, causal, qkv, valid, index, scratch);
        cs_real *out = y + index / H * T * C + index % H * head.d;
        transpose_head(&head, head.k, head.transposed_k);
        for (size_t t = 0; t < T; t += ROW_BLOCK) {
            size_t rows = T - t < ROW_BLOCK ? T - t : ROW_BLOCK;
            scores(&head, t, rows);
            for (size_t i = 0; i < rows; i++) {
                cs_real *row = head.p + i * head.width;
                size_t seen = keys_of_row(&head, t + i);
                lse[index * T + t + i] = layer->softmax(seen, head.scale, row);
                clear_unseen(&head, seen, row);
            }
            small->product(rows, head.d, head.keys, head.p, head.width, 1, head.v, head.stride, 0,
                           out + t * C, C);
        }
    }
    return CS_OK;
}

/* Gradients of queries t ... t + rows, and their share of those of keys and values. */
static void
backward_rows(const head_view *head, size_t t, size_t rows, size_t C, const cs_real *y,
              const cs_real *lse, const cs_real *dy, cs_real *dq)
{
    const CS_TYPED(cs_layer_kernels) *layer = CS_TYPED(cs_layer_rows)();
    const CS_TYPED(cs_row_kernels) *vectors = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_small_gemm_kernels) *small = CS_TYPED(cs_small_gemms)();
    const size_t width = head->width, stride = head->stride, d = head->d;
    scores(head, t, rows);
    small->product(rows, width, d, dy + t * C, C, 1, head->transposed_v, width, 0, head->dp, width);
    for (size_t i = 0; i < rows; i++) {
        cs_real *p = head->p + i * width, *dp = head->dp + i * width;
        size_t seen = keys_of_row(head, t + i);
        cs_real delta = vectors->dot(d, dy + (t + i) * C, y + (t + i) * C);
        layer->softmax_again(seen, head->scale, lse[t + i], p);
        layer->softmax_backward(seen, head->scale, delta, p, dp);
        clear_unseen(head, seen, p);
        clear_unseen(head, seen, dp);
    }
    small->product(rows, d, head->keys, head->dp, width, 1, head->k, stride, 0, dq + t * stride,
                   stride);
    small->product(head->keys, d, rows, head->dp, 1, width, head->q + t * stride, stride, t > 0,
                   dq + C, stride);
    small->product(head->keys, d, rows, head->p, 1, width, dy + t * C, C, t > 0, dq + 2 * C, stride);
}

cs_status
CS_TYPED(cs_attention_backward)(size_t B, size_t T, size_t C, size_t H, int causal,
                                const cs_real *qkv, const uint8_t *valid, const cs_real *y,
                                const cs_real *lse, const cs_real *dy, cs_real *dqkv, void *scratch)
{
    if (H == 0 || C % H != 0)
        return CS_EVALUE;
    CS_PARALLEL_FOR_DYNAMIC
    for (size_t index = 0; index < B * H; index++) {
        head_view head = view_head(T, C, H, causal, qkv, valid, index, scratch);
        size_t sample = index / H * T, column = index % H * head.d;
        cs_real *dq = dqkv + sample * 3 * C + column;
        transpose_head(&head, head.k, head.transposed_k);
        transpose_head(&head, head.v, head.transposed_v);
        for (size_t t = 0; t < T; t += ROW_BLOCK)
            backward_rows(&head, t, T - t < ROW_BLOCK ? T - t : ROW_BLOCK, C,
                          y + sample * C + column, lse + index * T, dy + sample * C + column, dq);
        for (size_t s = head.keys; s < T; s++) {
            memset(dq + s * 3 * C + C, 0, head.d * sizeof *dq);
            memset(dq + s * 3 * C + 2 * C, 0, head.d * sizeof *dq);
        }
    }
    return CS_OK;
}
