#include "loss/sparc/local_loss.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/bf16_product.h"
#include "loss/sparc/token_contrast.h"
#include "loss/sparc/products.h"

/* What a thread works on. */
typedef struct {
    CS_TYPED(cs_sample) sample;
    CS_TYPED(cs_grouped) grouped;
    struct cs_rounded rounded;
    cs_real *wide_tokens; /* [L,D] tokens that came in bfloat16 */
} workspace;

/* One sample as it was given. */
typedef struct {
    cs_row_set patch_rows, token_rows;
    const cs_real *patches, *tokens;
    const uint16_t *patch_bits, *token_bits;
    const cs_real *patch_bias;
    cs_real share;
} given_sample;

static void
layout(size_t P, size_t L, size_t D, cs_sparc_room room, cs_arena *arena, workspace *w)
{
    CS_TYPED(cs_sample_layout)(P, L, D, !room.gradients, arena, &w->sample);
    CS_TYPED(cs_grouped_layout)(L, D, arena, &w->grouped);
    if (room.token_bits)
        w->wide_tokens = cs_arena_take(arena, L * D * sizeof(cs_real));
#ifndef CS_FLOAT64
    if (room.rounded) {
        cs_rounded_layout(P, L, D, arena, &w->rounded);
        w->sample.rounded = &w->rounded;
        w->sample.products = &cs_rounded_products_f32;
    }
#endif
}

size_t
CS_TYPED(cs_sparc_scratch)(size_t P, size_t L, size_t D, cs_sparc_room room, size_t threads)
{
    cs_arena counter = {NULL, 0};
    workspace w;
    layout(P, L, D, room, &counter, &w);
    return threads * counter.used;
}

/* x = bits. There are none in double. */
static void
widen(size_t count, const uint16_t *bits, cs_real *x)
{
#ifdef CS_FLOAT64
    (void)count, (void)bits, (void)x;
#else
    cs_floats_of_bf16(count, bits, x);
#endif
}

/* Through the weights: dL/da = V dc^T, then ds, and dT += ds^T V + pull t. Returns
 * dL/d softmax_scale. */
static double
weights_gradient(workspace *w, cs_real *dtokens)
{
    CS_TYPED(cs_sample) *x = &w->sample;
    double dsoftmax_scale = 0;
    CS_FOR_BLOCKS(first, x) {
        CS_TYPED(cs_block) block = CS_TYPED(cs_sample_block)(x, first);
        x->products->transpose_grouped(x, &block, w->grouped.rows);
        x->products->project(x, block.lanes, block.ds);
        dsoftmax_scale += CS_TYPED(cs_sample_backward)(x, &block);
        CS_TYPED(cs_sample_token_gradient)(x, &block, 1, dtokens);
    }
    return dsoftmax_scale;
}

/* dV = a dc + ds T + pull v: V may lie where dV goes. With `bias`, which excludes pulls, dV is
 * finished by it and nobody reads it again soon. */
static void
patch_gradient(const workspace *w, int through_weights, const cs_real *bias, cs_real *dpatches)
{
    const CS_TYPED(cs_sample) *x = &w->sample;
    size_t D = x->D;
    int pulled = through_weights && x->options->cosine;
    /* Patches that were widened where dV goes are in the caches. */
    int past = x->patches_in_place && !pulled &&
               (x->patch_bits != NULL || x->patches != dpatches);
    CS_TYPED(cs_result) result = {dpatches, D, pulled ? x->patch_pull : NULL,
                                  pulled ? x->patches : bias, pulled ? D : 0,
                                  past ? CS_STREAM : 0};
    x->products->dpatches(x, through_weights, w->grouped.rows, result);
}

/* Whether patch_gradient adds patch_bias itself: where it writes the caller's rows, and the vector
 * it can add to each of them is not needed for the pull of unit vectors. */
static int
adds_bias(const workspace *w, const cs_sparc_options *options)
{
    return w->sample.patches_in_place && !(options->align.cosine && !options->detach_weights);
}

/* Open the sample and group its patches, widening what came in bfloat16 and is read as numbers. */
static int
open_sample(size_t D, const given_sample *given, const cs_sparc_options *options, int rescale,
            workspace *w)
{
    CS_TYPED(cs_sample) *x = &w->sample;
    const cs_real *patches = given->patches, *tokens = given->tokens;
    x->patch_bits = NULL;
    if (given->patch_bits != NULL) {
        patches = x->packed_patches;
        if (options->rounded && !options->align.cosine && !rescale)
            x->patch_bits = given->patch_bits;
        else
            widen(given->patch_rows.count * D, given->patch_bits, x->packed_patches);
    }
    if (given->token_bits != NULL) {
        tokens = w->wide_tokens;
        widen(given->token_rows.count * D, given->token_bits, w->wide_tokens);
    }
    int fits = CS_TYPED(cs_sample_open)(D, &options->align, given->patch_rows, patches,
                                        given->token_rows, tokens, rescale, x);
    return fits & CS_TYPED(cs_group)(x, &w->grouped);
}

/* One sample with at least one valid patch and token. Index i is already in every pointer of `out`
 * but the per-sample numbers. */
static void
sample_loss(size_t D, size_t i, const given_sample *given, const cs_sparc_options *options,
            const CS_TYPED(cs_sparc_output) *out, workspace *w)
{
    cs_real share = given->share;
    if (out->dpatches != NULL)
        w->sample.packed_patches = out->dpatches;
    if (!open_sample(D, given, options, 0, w))
        (void)open_sample(D, given, options, 1, w);
    out->loss[i] = (double)share * CS_TYPED(cs_matching_loss)(
                                       &w->sample, (cs_real)options->logit_scale, &w->grouped);
    out->kept[i] = CS_TYPED(cs_sample_kept)(&w->sample);
    if (out->weights != NULL)
        CS_TYPED(cs_sample_store_weights)(&w->sample, out->weights);
    if (out->dpatches == NULL || options->weight == 0)
        return;
    cs_real *dpatches = CS_TYPED(cs_sample_patch_target)(&w->sample, out->dpatches);
    cs_real *dtokens = CS_TYPED(cs_sample_token_target)(&w->sample, out->dtokens);
    cs_real weight = (cs_real)(options->weight * (double)share);
    out->dscale[i] = CS_TYPED(cs_matching_backward)(&w->sample, weight, dtokens, &w->grouped) /
                     options->logit_scale;
    if (!options->detach_weights)
        out->dsoftmax_scale[i] = weights_gradient(w, dtokens);
    patch_gradient(w, !options->detach_weights, adds_bias(w, options) ? given->patch_bias : NULL,
                   dpatches);
}

static cs_real *
at(cs_real *x, size_t offset)
{
    return x == NULL ? NULL : x + offset;
}

/* Tokens of sample i, patches of sample `source`. */
static given_sample
give(size_t i, size_t source, size_t P, size_t L, size_t D, const CS_TYPED(cs_sparc_input) *in)
{
    size_t patch = source * P * D, token = i * L * D;
    given_sample given = {
        .patch_rows = cs_rows_of_sample(source, P, in->patch_valid),
        .token_rows = cs_rows_of_sample(i, L, in->text_valid),
        .patches = in->patches == NULL ? NULL : in->patches + patch,
        .tokens = in->tokens == NULL ? NULL : in->tokens + token,
        .patch_bits = in->patch_bits == NULL ? NULL : in->patch_bits + patch,
        .token_bits = in->token_bits == NULL ? NULL : in->token_bits + token,
        .patch_bias = in->patch_bias == NULL ? NULL : in->patch_bias + source * D,
        .share = in->share[i],
    };
    return given;
}

/* No other sample reads the patches of `source`: their gradient is this one's alone. */
static void
one_sample(size_t i, size_t source, size_t P, size_t L, size_t D,
           const CS_TYPED(cs_sparc_input) *in, const cs_sparc_options *options,
           const CS_TYPED(cs_sparc_output) *all, void *memory)
{
    cs_sparc_room room = {all->dpatches != NULL, options->rounded, in->token_bits != NULL};
    cs_arena arena = {memory, 0};
    workspace space, *w = &space;
    layout(P, L, D, room, &arena, w);
    given_sample given = give(i, source, P, L, D, in);
    CS_TYPED(cs_sparc_output) out = *all;
    const cs_real *token_bias = in->token_bias == NULL ? NULL : in->token_bias + i * D;
    out.weights = at(all->weights, i * L * P);
    out.dpatches = at(all->dpatches, source * P * D);
    out.dtokens = at(all->dtokens, i * L * D);
    out.loss[i] = out.dscale[i] = out.dsoftmax_scale[i] = 0;
    out.kept[i] = 0;
    int skipped = cs_valid_rows(given.patch_rows) == 0 || cs_valid_rows(given.token_rows) == 0;
    if (!skipped)
        sample_loss(D, i, &given, options, &out, w);
    else if (out.weights != NULL)
        memset(out.weights, 0, L * P * sizeof(cs_real));
    if (out.dpatches == NULL)
        return;
    if (skipped || options->weight == 0) {
        CS_TYPED(cs_sample_store_bias)(D, given.patch_rows, given.patch_bias, 0, out.dpatches);
        CS_TYPED(cs_sample_store_bias)(D, given.token_rows, token_bias,
                                       options->token_bias_everywhere, out.dtokens);
    } else {
        const cs_real *patch_bias = adds_bias(w, options) ? NULL : given.patch_bias;
        CS_TYPED(cs_sample_store_patches)(&w->sample, patch_bias, out.dpatches);
        CS_TYPED(cs_sample_store_tokens)(&w->sample, token_bias, options->token_bias_everywhere,
                                         out.dtokens);
    }
}

cs_status
CS_TYPED(cs_sparc)(size_t B, size_t P, size_t L, size_t D, const CS_TYPED(cs_sparc_input) *in,
                   const cs_sparc_options *options, const CS_TYPED(cs_sparc_output) *out,
                   size_t threads, void *scratch)
{
    cs_sparc_room room = {out->dpatches != NULL, options->rounded, in->token_bits != NULL};
    size_t bytes = CS_TYPED(cs_sparc_scratch)(P, L, D, room, 1);
    if (B == 1 || B * P * L * D < 65536)
        threads = 1; /* too little to wake the others */
    CS_EACH_DYNAMIC(i, thread, B, threads,
                    one_sample(i, (i + options->patch_shift) % B, P, L, D, in, options, out,
                               (char *)scratch + thread * bytes));
    return CS_OK;
}
