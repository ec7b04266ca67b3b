#include "loss/sparc/local_loss.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/bf16_product.h"
#include "loss/sparc/rows_out.h"
#include "loss/sparc/token_contrast.h"

/* What a thread works on. */
typedef struct {
    CS_TYPED(cs_sample) sample;
    CS_TYPED(cs_grouped) grouped;
    cs_bf16_operands bf16;
    cs_real *wide_tokens; /* [L,D] tokens that came in bfloat16, as numbers of the type */
} workspace;

/* One sample as it was given. */
typedef struct {
    cs_row_set patch_rows, token_rows;
    const cs_real *patches, *tokens;
    const uint16_t *patch_bits, *token_bits;
    const cs_real *patch_bias;
    cs_real sample_weight;
} given_sample;

static void
layout(size_t P, size_t L, size_t D, cs_sparc_needs needs, cs_arena *arena, workspace *w)
{
    CS_TYPED(cs_sample_layout)(P, L, D, !needs.gradients, arena, &w->sample);
    CS_TYPED(cs_grouped_layout)(L, D, arena, &w->grouped);
    if (needs.token_bits)
        w->wide_tokens = CS_TAKE(arena, cs_real, L, D);
#ifndef CS_FLOAT64
    if (needs.rounded) {
        cs_bf16_operands_layout(P, L, D, arena, &w->bf16);
        w->sample.operands.bf16 = &w->bf16;
        w->sample.products = &cs_sample_products_bf16;
    }
#endif
}

size_t
CS_TYPED(cs_sparc_scratch)(size_t P, size_t L, size_t D, cs_sparc_needs needs, size_t threads)
{
    cs_arena counter = {NULL, 0};
    workspace w;
    layout(P, L, D, needs, &counter, &w);
    return cs_size_times(threads, counter.used);
}

/* x = bits, in float; double takes none. */
static void
widen(size_t count, const uint16_t *bits, cs_real *x)
{
#ifdef CS_FLOAT64
    (void)count, (void)bits, (void)x;
#else
    cs_floats_of_bf16(count, bits, x);
#endif
}

/* Through the weights: dL/da = V dc^T, then ds, and dT += ds^T V + radial t. Returns
 * dL/dsoftmax_scale. */
static double
weights_gradient(workspace *w, cs_real *dtokens)
{
    CS_TYPED(cs_sample) *sample = &w->sample;
    const CS_TYPED(cs_sample_operands) *x = &sample->operands;
    double dsoftmax_scale = 0;
    CS_FOR_BLOCKS(first, &x->rows) {
        CS_TYPED(cs_token_block) block = CS_TYPED(cs_sample_block)(x, first);
        sample->products->project_grouped(x, &block, w->grouped.rows);
        dsoftmax_scale += CS_TYPED(cs_sample_backward)(sample, &block);
        CS_TYPED(cs_sample_token_gradient)(sample, &block, 1, dtokens);
    }
    return dsoftmax_scale;
}

/* Whether dV has a radial part: there is a gradient through similarities of unit vectors. */
static int
has_radial_part(const cs_sparc_options *options)
{
    return options->align.cosine && !options->detach_weights;
}

/* dV = a dc + ds T + radial v, or in place of the last, which excludes it, + bias. V may lie where
 * dV goes. */
static void
patch_gradient(const workspace *w, const cs_sparc_options *options, const cs_real *bias,
               cs_real *dpatches)
{
    const CS_TYPED(cs_sample) *sample = &w->sample;
    const CS_TYPED(cs_sample_rows) *rows = &sample->operands.rows;
    size_t D = rows->D;
    int radial = has_radial_part(options);
    /* Nobody reads dV again soon. Patches that were widened where it goes are in the caches. */
    int past = rows->patches_in_place && !radial &&
               (rows->patch_bits != NULL || rows->patches != dpatches);
    CS_TYPED(cs_result) result = {dpatches, D, radial ? sample->patch_radial : NULL,
                                  radial ? rows->patches : bias, radial ? D : 0,
                                  past ? CS_STREAM : 0};
    sample->products->patch_gradient(&sample->operands, !options->detach_weights, w->grouped.rows,
                                     result);
}

/* Whether patch_gradient adds patch_bias itself: where it writes the caller's rows, and the one
 * vector it can add to each of them is not the radial part. */
static int
adds_bias(const workspace *w, const cs_sparc_options *options)
{
    return w->sample.operands.rows.patches_in_place && !has_radial_part(options);
}

/* Open the sample and gather its patches, widening what came in bfloat16 and is read as numbers. */
static int
open_sample(size_t D, const given_sample *given, const cs_sparc_options *options, int rescale,
            workspace *w)
{
    CS_TYPED(cs_sample) *sample = &w->sample;
    CS_TYPED(cs_sample_rows) *rows = &sample->operands.rows;
    const cs_real *patches = given->patches, *tokens = given->tokens;
    rows->patch_bits = NULL;
    if (given->patch_bits != NULL) {
        patches = rows->packed_patches;
        if (options->rounded && !options->align.cosine && !rescale)
            rows->patch_bits = given->patch_bits;
        else
            widen(given->patch_rows.count * D, given->patch_bits, rows->packed_patches);
    }
    if (given->token_bits != NULL) {
        tokens = w->wide_tokens;
        widen(given->token_rows.count * D, given->token_bits, w->wide_tokens);
    }
    int fits = CS_TYPED(cs_sample_open)(D, &options->align, given->patch_rows, patches,
                                        given->token_rows, tokens, rescale, sample);
    return fits & CS_TYPED(cs_gather_patches)(sample, &w->grouped);
}

/* One sample with at least one valid patch and token. Index i is already in every pointer of `out`
 * but the per-sample numbers. */
static void
sample_loss(size_t D, size_t i, const given_sample *given, const cs_sparc_options *options,
            const CS_TYPED(cs_sparc_output) *out, workspace *w)
{
    CS_TYPED(cs_sample_operands) *x = &w->sample.operands;
    cs_real sample_weight = given->sample_weight;
    if (out->dpatches != NULL)
        x->rows.packed_patches = out->dpatches;
    if (!open_sample(D, given, options, 0, w))
        (void)open_sample(D, given, options, 1, w);
    out->loss[i] = (double)sample_weight * CS_TYPED(cs_token_contrast)(
                                       &w->sample, (cs_real)options->logit_scale, &w->grouped);
    out->kept[i] = CS_TYPED(cs_sample_kept)(&w->sample);
    if (out->weights != NULL)
        CS_TYPED(cs_store_weights)(x, out->weights);
    if (out->dpatches == NULL || options->weight == 0)
        return;
    cs_real *dpatches = CS_TYPED(cs_patch_target)(&x->rows, out->dpatches);
    cs_real *dtokens = CS_TYPED(cs_token_target)(&x->rows, out->dtokens);
    cs_real weight = (cs_real)(options->weight * (double)sample_weight);
    out->dscale[i] =
        CS_TYPED(cs_token_contrast_backward)(&w->sample, weight, dtokens, &w->grouped) /
        options->logit_scale;
    if (!options->detach_weights)
        out->dsoftmax_scale[i] = weights_gradient(w, dtokens);
    patch_gradient(w, options, adds_bias(w, options) ? given->patch_bias : NULL, dpatches);
}

static cs_real *
at(cs_real *x, size_t offset)
{
    return x == NULL ? NULL : x + offset;
}

/* Sample i of the batch: its tokens, and the patches of sample `source`. */
static given_sample
sample_of(size_t i, size_t source, size_t P, size_t L, size_t D, const CS_TYPED(cs_sparc_input) *in)
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
        .sample_weight = in->sample_weight[i],
    };
    return given;
}

/* Sample i with the patches of `source`, which no other sample reads: their gradient is this one's
 * alone. */
static void
one_sample(size_t i, size_t source, size_t P, size_t L, size_t D,
           const CS_TYPED(cs_sparc_input) *in, const cs_sparc_options *options,
           const CS_TYPED(cs_sparc_output) *all, void *memory)
{
    cs_sparc_needs needs = {all->dpatches != NULL, options->rounded, in->token_bits != NULL};
    cs_arena arena = {memory, 0};
    workspace space, *w = &space;
    layout(P, L, D, needs, &arena, w);
    given_sample given = sample_of(i, source, P, L, D, in);
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
        CS_TYPED(cs_store_bias)(D, given.patch_rows, given.patch_bias, 0, out.dpatches);
        CS_TYPED(cs_store_bias)(D, given.token_rows, token_bias, options->token_bias_everywhere,
                                out.dtokens);
    } else {
        const cs_real *patch_bias = adds_bias(w, options) ? NULL : given.patch_bias;
        CS_TYPED(cs_store_patches)(&w->sample.operands.rows, patch_bias, out.dpatches);
        CS_TYPED(cs_store_tokens)(&w->sample.operands.rows, token_bias,
                                  options->token_bias_everywhere, out.dtokens);
    }
}

cs_status
CS_TYPED(cs_sparc)(size_t B, size_t P, size_t L, size_t D, const CS_TYPED(cs_sparc_input) *in,
                   const cs_sparc_options *options, const CS_TYPED(cs_sparc_output) *out,
                   size_t threads, void *scratch)
{
    cs_sparc_needs needs = {out->dpatches != NULL, options->rounded, in->token_bits != NULL};
    size_t bytes = CS_TYPED(cs_sparc_scratch)(P, L, D, needs, 1);
    threads = cs_threads_for(threads, B, 6 * B * P * L * D);
    CS_EACH_DYNAMIC(i, thread, B, threads,
                    one_sample(i, (i + options->patch_shift) % B, P, L, D, in, options, out,
                               (char *)scratch + thread * bytes));
    return CS_OK;
}
