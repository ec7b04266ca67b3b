#include "loss/sparc/pieces.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/multiply.h"

size_t
CS_TYPED(cs_sparse_similarity_scratch)(size_t P, size_t L, size_t D, int gradients,
                                       size_t threads)
{
    cs_arena counter = {NULL, 0};
    CS_TYPED(cs_sample) sample;
    CS_TYPED(cs_sample_layout)(P, L, D, !gradients, &counter, &sample);
    return threads * counter.used;
}

/* Returns 0 where the sample has no valid pair. `dpatches`: where patches are packed if they must
 * be; NULL: in memory. */
static int
open_sample(size_t i, size_t P, size_t L, size_t D, const cs_real *patches, const cs_real *tokens,
            const uint8_t *patch_valid, const uint8_t *text_valid, const cs_align_options *options,
            void *memory, cs_real *dpatches, CS_TYPED(cs_sample) *sample)
{
    cs_row_set patch_rows = cs_rows_of_sample(i, P, patch_valid);
    cs_row_set token_rows = cs_rows_of_sample(i, L, text_valid);
    cs_arena arena = {memory, 0};
    if (cs_valid_rows(patch_rows) == 0 || cs_valid_rows(token_rows) == 0)
        return 0;
    CS_TYPED(cs_sample_layout)(P, L, D, dpatches == NULL, &arena, sample);
    if (dpatches != NULL)
        sample->packed_patches = dpatches;
    for (int rescale = 0, fits = 0; !fits && rescale <= 1; rescale++)
        fits = CS_TYPED(cs_sample_open)(D, options, patch_rows, patches + i * P * D, token_rows,
                                        tokens + i * L * D, rescale, sample);
    return 1;
}

cs_status
CS_TYPED(cs_sparse_similarity_forward)(
    size_t B, size_t P, size_t L, size_t D, const cs_real *patches, const cs_real *tokens,
    const uint8_t *patch_valid, const uint8_t *text_valid, const cs_align_options *options,
    cs_real *weights, int64_t *kept, size_t threads, void *scratch)
{
    size_t bytes = CS_TYPED(cs_sparse_similarity_scratch)(P, L, D, 0, 1);
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t i = 0; i < B; i++) {
        CS_TYPED(cs_sample) sample;
        cs_real *out = weights + i * L * P;
        kept[i] = 0;
        if (open_sample(i, P, L, D, patches, tokens, patch_valid, text_valid, options,
                        (char *)scratch + (size_t)cs_thread_id() * bytes, NULL, &sample)) {
            CS_TYPED(cs_sample_store_weights)(&sample, out);
            kept[i] = CS_TYPED(cs_sample_kept)(&sample);
        } else {
            memset(out, 0, L * P * sizeof(cs_real));
        }
    }
    return CS_OK;
}

/* dL/da of a block from the caller's dweights [L,P]; 0 past the last token. */
static void
load_gradient(const CS_TYPED(cs_sample) *sample, const CS_TYPED(cs_block) *block,
              const cs_real *dweights)
{
    size_t width = sample->patch_rows.count, k = 0;
    memset(block->ds, 0, sample->P * block->lanes * sizeof(cs_real));
    for (size_t token = 0; k < block->first + block->count; token++) {
        if (!cs_row_is_valid(sample->token_rows, token))
            continue;
        cs_real *to = block->ds + (k - block->first);
        for (size_t patch = 0; k >= block->first && patch < width; patch++) {
            if (!cs_row_is_valid(sample->patch_rows, patch))
                continue;
            *to = dweights[token * width + patch];
            to += block->lanes;
        }
        k++;
    }
}

/* dT = ds^T V + pull t, then dV = ds T + pull v: V may lie where dV goes. Returns
 * dL/d softmax_scale. */
static double
similarity_gradients(CS_TYPED(cs_sample) *x, const cs_real *dweights, cs_real *dpatches,
                     cs_real *dtokens)
{
    size_t D = x->D;
    double dsoftmax_scale = 0;
    CS_FOR_BLOCKS(first, x) {
        CS_TYPED(cs_block) block = CS_TYPED(cs_sample_block)(x, first);
        load_gradient(x, &block, dweights);
        dsoftmax_scale += CS_TYPED(cs_sample_backward)(x, &block);
        CS_TYPED(cs_sample_token_gradient)(x, &block, 0, dtokens);
    }
    CS_FOR_BLOCKS(first, x) {
        CS_TYPED(cs_block) block = CS_TYPED(cs_sample_block)(x, first);
        const cs_real *tokens = CS_TYPED(cs_sample_tokens)(x, first, block.count);
        CS_TYPED(cs_term) term = {block.count, block.ds, block.lanes, 1, tokens, D};
        CS_TYPED(cs_result) patches = {dpatches, D, first == 0 ? x->patch_pull : NULL,
                                       first == 0 ? x->patches : dpatches, D, 0};
        CS_TYPED(cs_product)(x->P, D, 1, &term, &patches);
    }
    return dsoftmax_scale;
}

cs_status
CS_TYPED(cs_sparse_similarity_backward)(
    size_t B, size_t P, size_t L, size_t D, const cs_real *patches, const cs_real *tokens,
    const uint8_t *patch_valid, const uint8_t *text_valid, const cs_align_options *options,
    const cs_real *dweights, cs_real *dpatches, cs_real *dtokens, double *dsoftmax_scale,
    size_t threads, void *scratch)
{
    size_t bytes = CS_TYPED(cs_sparse_similarity_scratch)(P, L, D, 1, 1);
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t i = 0; i < B; i++) {
        CS_TYPED(cs_sample) sample;
        cs_real *dv = dpatches + i * P * D, *dt = dtokens + i * L * D;
        dsoftmax_scale[i] = 0;
        if (open_sample(i, P, L, D, patches, tokens, patch_valid, text_valid, options,
                        (char *)scratch + (size_t)cs_thread_id() * bytes, dv, &sample)) {
            dsoftmax_scale[i] = similarity_gradients(
                &sample, dweights + i * L * P, CS_TYPED(cs_sample_patch_target)(&sample, dv),
                CS_TYPED(cs_sample_token_target)(&sample, dt));
            CS_TYPED(cs_sample_store_patches)(&sample, NULL, dv);
            CS_TYPED(cs_sample_store_tokens)(&sample, NULL, 0, dt);
        } else {
            memset(dv, 0, P * D * sizeof(cs_real));
            memset(dt, 0, L * D * sizeof(cs_real));
        }
    }
    return CS_OK;
}

/* weights [L,P] and patches [P,D] of one sample without what is not valid. */
typedef struct {
    size_t count; /* valid patches */
    const cs_real *weights, *patches;
    cs_real *room_weights, *room_patches;
    size_t weights_row;
} packed;

static size_t
packed_layout(size_t P, size_t L, size_t D, cs_arena *arena, packed *x)
{
    x->room_weights = cs_arena_take(arena, L * P * sizeof(cs_real));
    x->room_patches = cs_arena_take(arena, P * D * sizeof(cs_real));
    return arena->used;
}

size_t
CS_TYPED(cs_group_patches_scratch)(size_t P, size_t L, size_t D, size_t threads)
{
    cs_arena counter = {NULL, 0};
    packed x;
    return threads * packed_layout(P, L, D, &counter, &x);
}

static packed
pack(size_t P, size_t L, size_t D, const cs_real *weights, const cs_real *patches,
     const uint8_t *valid, void *memory)
{
    cs_arena arena = {memory, 0};
    packed x = {P, weights, patches, NULL, NULL, P};
    if (valid == NULL)
        return x;
    (void)packed_layout(P, L, D, &arena, &x);
    x.count = 0;
    for (size_t p = 0; p < P; p++) {
        if (!valid[p])
            continue;
        for (size_t j = 0; j < L; j++)
            x.room_weights[j * P + x.count] = weights[j * P + p];
        memcpy(x.room_patches + x.count * D, patches + p * D, D * sizeof(cs_real));
        x.count++;
    }
    x.weights = x.room_weights;
    x.patches = x.room_patches;
    return x;
}

cs_status
CS_TYPED(cs_group_patches_forward)(size_t B, size_t P, size_t L, size_t D, const cs_real *weights,
                                   const cs_real *patches, const uint8_t *patch_valid,
                                   cs_real *grouped, size_t threads, void *scratch)
{
    size_t bytes = CS_TYPED(cs_group_patches_scratch)(P, L, D, 1);
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t i = 0; i < B; i++) {
        packed x = pack(P, L, D, weights + i * L * P, patches + i * P * D,
                        patch_valid == NULL ? NULL : patch_valid + i * P,
                        (char *)scratch + (size_t)cs_thread_id() * bytes);
        cs_multiply(L, D, x.count, x.weights, x.weights_row, 1, x.patches, D, 0,
                    grouped + i * L * D, D);
    }
    return CS_OK;
}

/* dc^T and da^T of one block of tokens. */
static void
block_layout(size_t P, size_t D, cs_arena *arena, cs_real **transposed, cs_real **gradient)
{
    *transposed = cs_arena_take(arena, D * CS_BLOCK * sizeof(cs_real));
    *gradient = cs_arena_take(arena, P * CS_BLOCK * sizeof(cs_real));
}

size_t
CS_TYPED(cs_group_patches_backward_scratch)(size_t P, size_t D, size_t threads)
{
    cs_arena counter = {NULL, 0};
    cs_real *transposed, *gradient;
    block_layout(P, D, &counter, &transposed, &gradient);
    return threads * counter.used;
}

/* da [L,P] = dc V^T, a block of tokens at a time. */
static void
weights_gradient(size_t P, size_t L, size_t D, const cs_real *dc, const cs_real *patches,
                 void *memory, cs_real *da)
{
    cs_arena arena = {memory, 0};
    cs_real *transposed, *gradient;
    block_layout(P, D, &arena, &transposed, &gradient);
    for (size_t j = 0; j < L; j += CS_BLOCK) {
        size_t count = L - j < CS_BLOCK ? L - j : CS_BLOCK;
        size_t lanes = (count + CS_LANES - 1) / CS_LANES * CS_LANES;
        CS_TYPED(cs_transpose)(count, D, lanes, dc + j * D, D, transposed);
        cs_multiply(P, lanes, D, patches, D, 1, transposed, lanes, 0, gradient, lanes);
        CS_TYPED(cs_transpose)(P, count, P, gradient, lanes, da + j * P);
    }
}

cs_status
CS_TYPED(cs_group_patches_backward)(size_t B, size_t P, size_t L, size_t D, const cs_real *weights,
                                    const cs_real *patches, const uint8_t *patch_valid,
                                    const cs_real *dgrouped, cs_real *dweights, cs_real *dpatches,
                                    size_t threads, void *scratch)
{
    size_t bytes = CS_TYPED(cs_group_patches_backward_scratch)(P, D, 1);
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t i = 0; i < B; i++) {
        const uint8_t *valid = patch_valid == NULL ? NULL : patch_valid + i * P;
        const cs_real *a = weights + i * L * P, *dc = dgrouped + i * L * D;
        cs_real *da = dweights + i * L * P, *dv = dpatches + i * P * D;
        /* What is not valid enters only its own row and column, which are then cleared. */
        weights_gradient(P, L, D, dc, patches + i * P * D,
                         (char *)scratch + (size_t)cs_thread_id() * bytes, da);
        cs_multiply(P, D, L, a, 1, P, dc, D, 0, dv, D);
        for (size_t p = 0; valid != NULL && p < P; p++) {
            if (valid[p])
                continue;
            memset(dv + p * D, 0, D * sizeof(cs_real));
            for (size_t j = 0; j < L; j++)
                da[j * P + p] = 0;
        }
    }
    return CS_OK;
}
