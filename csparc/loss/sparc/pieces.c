#include "loss/sparc/pieces.h"

#include <string.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/real.h"
#include "la/multiply.h"
#include "loss/sparc/rows_out.h"

/* What the samples of a batch are opened from, and scratch of each thread. */
typedef struct {
    size_t P, L, D;
    const cs_real *patches, *tokens;
    const uint8_t *patch_valid, *text_valid;
    const cs_align_options *options;
    char *scratch;
    size_t thread_bytes;
} batch;

size_t
CS_TYPED(cs_sparse_similarity_scratch)(size_t P, size_t L, size_t D, int gradients,
                                       size_t threads)
{
    cs_arena counter = {NULL, 0};
    CS_TYPED(cs_sample) sample;
    CS_TYPED(cs_sample_layout)(P, L, D, !gradients, &counter, &sample);
    return cs_size_times(threads, counter.used);
}

/* Returns 0 where sample i has no valid patch or no valid token. `dpatches`: where patches are
 * packed if they must be; NULL: in scratch. */
static int
open_sample(const batch *in, size_t i, size_t thread, cs_real *dpatches,
            CS_TYPED(cs_sample) *sample)
{
    size_t P = in->P, L = in->L, D = in->D;
    cs_row_set patch_rows = cs_rows_of_sample(i, P, in->patch_valid);
    cs_row_set token_rows = cs_rows_of_sample(i, L, in->text_valid);
    cs_arena arena = {in->scratch + thread * in->thread_bytes, 0};
    if (cs_valid_rows(patch_rows) == 0 || cs_valid_rows(token_rows) == 0)
        return 0;
    CS_TYPED(cs_sample_layout)(P, L, D, dpatches == NULL, &arena, sample);
    if (dpatches != NULL)
        sample->operands.rows.packed_patches = dpatches;
    for (int rescale = 0, fits = 0; !fits && rescale <= 1; rescale++)
        fits = CS_TYPED(cs_sample_open)(D, in->options, patch_rows, in->patches + i * P * D,
                                        token_rows, in->tokens + i * L * D, rescale, sample);
    return 1;
}

static void
similarity_of_sample(const batch *in, size_t i, size_t thread, cs_real *weights, int64_t *kept)
{
    CS_TYPED(cs_sample) sample;
    *kept = 0;
    if (open_sample(in, i, thread, NULL, &sample)) {
        CS_TYPED(cs_store_weights)(&sample.operands, weights);
        *kept = CS_TYPED(cs_sample_kept)(&sample);
    } else {
        memset(weights, 0, in->L * in->P * sizeof(cs_real));
    }
}

cs_status
CS_TYPED(cs_sparse_similarity_forward)(
    size_t B, size_t P, size_t L, size_t D, const cs_real *patches, const cs_real *tokens,
    const uint8_t *patch_valid, const uint8_t *text_valid, const cs_align_options *options,
    cs_real *weights, int64_t *kept, size_t threads, void *scratch)
{
    size_t bytes = CS_TYPED(cs_sparse_similarity_scratch)(P, L, D, 0, 1);
    const batch in = {P, L, D, patches, tokens, patch_valid, text_valid, options, scratch, bytes};
    CS_EACH_DYNAMIC(i, thread, B, threads,
                    similarity_of_sample(&in, i, thread, weights + i * L * P, &kept[i]));
    return CS_OK;
}

/* dL/da of a block from the caller's dweights [L,P]; 0 past the last token. */
static void
load_gradient(const CS_TYPED(cs_sample_rows) *rows, const CS_TYPED(cs_token_block) *block,
              const cs_real *dweights)
{
    size_t width = rows->patch_rows.count, k = 0;
    memset(block->ds, 0, rows->P * block->lanes * sizeof(cs_real));
    for (size_t token = 0; k < block->first + block->count; token++) {
        if (!cs_row_is_valid(rows->token_rows, token))
            continue;
        cs_real *to = block->ds + (k - block->first);
        for (size_t patch = 0; k >= block->first && patch < width; patch++) {
            if (!cs_row_is_valid(rows->patch_rows, patch))
                continue;
            *to = dweights[token * width + patch];
            to += block->lanes;
        }
        k++;
    }
}

/* dT = ds^T V + radial t, then dV = ds T + radial v: V may lie where dV goes. Returns
 * dL/dsoftmax_scale. */
static double
similarity_gradients(CS_TYPED(cs_sample) *sample, const cs_real *dweights, cs_real *dpatches,
                     cs_real *dtokens)
{
    const CS_TYPED(cs_sample_operands) *x = &sample->operands;
    const CS_TYPED(cs_sample_rows) *rows = &x->rows;
    size_t D = rows->D;
    double dsoftmax_scale = 0;
    CS_FOR_BLOCKS(first, rows) {
        CS_TYPED(cs_token_block) block = CS_TYPED(cs_sample_block)(x, first);
        load_gradient(rows, &block, dweights);
        dsoftmax_scale += CS_TYPED(cs_sample_backward)(sample, &block);
        CS_TYPED(cs_sample_token_gradient)(sample, &block, 0, dtokens);
    }
    CS_FOR_BLOCKS(first, rows) {
        CS_TYPED(cs_token_block) block = CS_TYPED(cs_sample_block)(x, first);
        const cs_real *tokens = CS_TYPED(cs_sample_tokens)(rows, first, block.count);
        CS_TYPED(cs_term) term = {block.count, block.ds, block.lanes, 1, tokens, D};
        CS_TYPED(cs_result) patches = {dpatches, D, first == 0 ? sample->patch_radial : NULL,
                                       first == 0 ? rows->patches : dpatches, D, 0};
        CS_TYPED(cs_product)(rows->P, D, 1, &term, &patches);
    }
    return dsoftmax_scale;
}

static void
similarity_backward_of_sample(const batch *in, size_t i, size_t thread, const cs_real *dweights,
                              cs_real *dpatches, cs_real *dtokens, double *dsoftmax_scale)
{
    CS_TYPED(cs_sample) sample;
    const CS_TYPED(cs_sample_rows) *rows = &sample.operands.rows;
    *dsoftmax_scale = 0;
    if (open_sample(in, i, thread, dpatches, &sample)) {
        *dsoftmax_scale =
            similarity_gradients(&sample, dweights, CS_TYPED(cs_patch_target)(rows, dpatches),
                                 CS_TYPED(cs_token_target)(rows, dtokens));
        CS_TYPED(cs_store_patches)(rows, NULL, dpatches);
        CS_TYPED(cs_store_tokens)(rows, NULL, 0, dtokens);
    } else {
        memset(dpatches, 0, in->P * in->D * sizeof(cs_real));
        memset(dtokens, 0, in->L * in->D * sizeof(cs_real));
    }
}

cs_status
CS_TYPED(cs_sparse_similarity_backward)(
    size_t B, size_t P, size_t L, size_t D, const cs_real *patches, const cs_real *tokens,
    const uint8_t *patch_valid, const uint8_t *text_valid, const cs_align_options *options,
    const cs_real *dweights, cs_real *dpatches, cs_real *dtokens, double *dsoftmax_scale,
    size_t threads, void *scratch)
{
    size_t bytes = CS_TYPED(cs_sparse_similarity_scratch)(P, L, D, 1, 1);
    const batch in = {P, L, D, patches, tokens, patch_valid, text_valid, options, scratch, bytes};
    CS_EACH_DYNAMIC(i, thread, B, threads,
                    similarity_backward_of_sample(&in, i, thread, dweights + i * L * P,
                                                  dpatches + i * P * D, dtokens + i * L * D,
                                                  &dsoftmax_scale[i]));
    return CS_OK;
}

/* Weights [L,P] and patches [P,D] of one sample without what is not valid, in scratch. */
typedef struct {
    cs_real *weights, *patches;
} packed;

static size_t
packed_layout(size_t P, size_t L, size_t D, cs_arena *arena, packed *x)
{
    x->weights = CS_TAKE(arena, cs_real, L, P);
    x->patches = CS_TAKE(arena, cs_real, P, D);
    return arena->used;
}

size_t
CS_TYPED(cs_group_patches_scratch)(size_t P, size_t L, size_t D, size_t threads)
{
    cs_arena counter = {NULL, 0};
    packed x;
    return cs_size_times(threads, packed_layout(P, L, D, &counter, &x));
}

/* Rows of the packed weights stay P apart. Returns the number of valid patches. */
static size_t
pack(size_t P, size_t L, size_t D, const cs_real *weights, const cs_real *patches,
     const uint8_t *valid, const packed *x)
{
    size_t count = 0;
    for (size_t p = 0; p < P; p++) {
        if (!valid[p])
            continue;
        for (size_t j = 0; j < L; j++)
            x->weights[j * P + count] = weights[j * P + p];
        memcpy(x->patches + count * D, patches + p * D, D * sizeof(cs_real));
        count++;
    }
    return count;
}

static void
group_sample(size_t P, size_t L, size_t D, const cs_real *weights, const cs_real *patches,
             const uint8_t *valid, void *scratch, cs_real *grouped)
{
    cs_arena arena = {scratch, 0};
    packed x;
    size_t count = P;
    if (valid != NULL) {
        (void)packed_layout(P, L, D, &arena, &x);
        count = pack(P, L, D, weights, patches, valid, &x);
        weights = x.weights;
        patches = x.patches;
    }
    cs_multiply(L, D, count, weights, P, 1, patches, D, 0, grouped, D);
}

static const uint8_t *
valid_of(const uint8_t *valid, size_t i, size_t P)
{
    return valid == NULL ? NULL : valid + i * P;
}

cs_status
CS_TYPED(cs_group_patches_forward)(size_t B, size_t P, size_t L, size_t D, const cs_real *weights,
                                   const cs_real *patches, const uint8_t *patch_valid,
                                   cs_real *grouped, size_t threads, void *scratch)
{
    size_t bytes = CS_TYPED(cs_group_patches_scratch)(P, L, D, 1);
    CS_EACH_DYNAMIC(i, thread, B, threads,
                    group_sample(P, L, D, weights + i * L * P, patches + i * P * D,
                                 valid_of(patch_valid, i, P), (char *)scratch + thread * bytes,
                                 grouped + i * L * D));
    return CS_OK;
}

/* dc^T and da^T of one block of tokens. */
static void
block_layout(size_t P, size_t D, cs_arena *arena, cs_real **transposed, cs_real **gradient)
{
    *transposed = CS_TAKE(arena, cs_real, D, CS_TOKEN_BLOCK);
    *gradient = CS_TAKE(arena, cs_real, P, CS_TOKEN_BLOCK);
}

size_t
CS_TYPED(cs_group_patches_backward_scratch)(size_t P, size_t D, size_t threads)
{
    cs_arena counter = {NULL, 0};
    cs_real *transposed, *gradient;
    block_layout(P, D, &counter, &transposed, &gradient);
    return cs_size_times(threads, counter.used);
}

/* da [L,P] = dc V^T, a block of tokens at a time. */
static void
weights_gradient(size_t P, size_t L, size_t D, const cs_real *dc, const cs_real *patches,
                 void *scratch, cs_real *da)
{
    cs_arena arena = {scratch, 0};
    cs_real *transposed, *gradient;
    block_layout(P, D, &arena, &transposed, &gradient);
    for (size_t j = 0; j < L; j += CS_TOKEN_BLOCK) {
        size_t count = cs_block_length(j, CS_TOKEN_BLOCK, L), lanes = cs_whole_lanes(count);
        CS_TYPED(cs_transpose)(count, D, lanes, dc + j * D, D, transposed);
        cs_multiply(P, lanes, D, patches, D, 1, transposed, lanes, 0, gradient, lanes);
        CS_TYPED(cs_transpose)(P, count, P, gradient, lanes, da + j * P);
    }
}

static void
group_backward_of_sample(size_t P, size_t L, size_t D, const cs_real *weights,
                         const cs_real *patches, const uint8_t *valid, const cs_real *dgrouped,
                         void *scratch, cs_real *dweights, cs_real *dpatches)
{
    /* What is not valid enters only its own row and column, which are then cleared. */
    weights_gradient(P, L, D, dgrouped, patches, scratch, dweights);
    cs_multiply(P, D, L, weights, 1, P, dgrouped, D, 0, dpatches, D);
    for (size_t p = 0; valid != NULL && p < P; p++) {
        if (valid[p])
            continue;
        memset(dpatches + p * D, 0, D * sizeof(cs_real));
        for (size_t j = 0; j < L; j++)
            dweights[j * P + p] = 0;
    }
}

cs_status
CS_TYPED(cs_group_patches_backward)(size_t B, size_t P, size_t L, size_t D, const cs_real *weights,
                                    const cs_real *patches, const uint8_t *patch_valid,
                                    const cs_real *dgrouped, cs_real *dweights, cs_real *dpatches,
                                    size_t threads, void *scratch)
{
    size_t bytes = CS_TYPED(cs_group_patches_backward_scratch)(P, D, 1);
    CS_EACH_DYNAMIC(i, thread, B, threads,
                    group_backward_of_sample(P, L, D, weights + i * L * P, patches + i * P * D,
                                             valid_of(patch_valid, i, P), dgrouped + i * L * D,
                                             (char *)scratch + thread * bytes,
                                             dweights + i * L * P, dpatches + i * P * D));
    return CS_OK;
}
