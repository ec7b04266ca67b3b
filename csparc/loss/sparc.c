#include "loss/sparc.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/tiles.h"
#include "loss/grouped.h"

/* Most terms of one product. */
enum { MOST_TERMS = 16 };

/* What a thread works on. */
typedef struct {
    CS_TYPED(cs_sample) sample;
    CS_TYPED(cs_grouped) grouped;
} workspace;

static void
layout(size_t P, size_t L, size_t D, int gradients, cs_arena *arena, workspace *w)
{
    CS_TYPED(cs_sample_layout)(P, L, D, !gradients, arena, &w->sample);
    CS_TYPED(cs_grouped_layout)(L, D, arena, &w->grouped);
}

size_t
CS_TYPED(cs_sparc_scratch)(size_t P, size_t L, size_t D, int gradients, size_t threads)
{
    cs_arena counter = {NULL, 0};
    workspace w;
    layout(P, L, D, gradients, &counter, &w);
    return threads * counter.used;
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
        CS_TYPED(cs_transpose)(block.count, x->D, block.lanes, w->grouped.rows + first * x->D, x->D,
                               x->transposed);
        CS_TYPED(cs_sample_project)(x, block.lanes, block.ds);
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
    CS_TYPED(cs_result) result = {dpatches, D, pulled ? x->patch_pull : NULL,
                                  pulled ? x->patches : bias, pulled ? D : 0,
                                  x->patches_in_place && !pulled ? CS_STREAM : 0};
    for (size_t first = 0; first < x->L;) {
        CS_TYPED(cs_term) term[MOST_TERMS];
        size_t terms = 0;
        do {
            CS_TYPED(cs_block) block = CS_TYPED(cs_sample_block)(x, first);
            term[terms++] = (CS_TYPED(cs_term)){block.count, block.weights, block.lanes, 1,
                                                w->grouped.rows + first * D, D};
            if (through_weights)
                term[terms++] = (CS_TYPED(cs_term)){
                    block.count, block.ds, block.lanes, 1,
                    CS_TYPED(cs_sample_tokens)(x, first, block.count), D};
            first += x->width;
        } while (first < x->L && x->tokens_in_place && terms + 2 <= MOST_TERMS);
        CS_TYPED(cs_product)(x->P, D, terms, term, &result);
        result.e = NULL;
        result.rows = dpatches;
        result.rows_row = D;
    }
}

/* Whether patch_gradient adds patch_bias itself: where it writes the caller's rows, and the vector
 * it can add to each of them is not needed for the pull of unit vectors. */
static int
adds_bias(const workspace *w, const cs_sparc_options *options)
{
    return w->sample.patches_in_place && !(options->align.cosine && !options->detach_weights);
}

/* One sample with at least one valid patch and token. Index i is already in every pointer of `out`
 * but the per-sample numbers. */
static void
sample_loss(size_t D, size_t i, cs_row_set patch_rows, const cs_real *patches,
            cs_row_set token_rows, const cs_real *tokens, cs_real share,
            const cs_real *patch_bias, const cs_sparc_options *options,
            const CS_TYPED(cs_sparc_output) *out, workspace *w)
{
    if (out->dpatches != NULL)
        w->sample.packed_patches = out->dpatches;
    for (int rescale = 0, fits = 0; !fits && rescale <= 1; rescale++) {
        fits = CS_TYPED(cs_sample_open)(D, &options->align, patch_rows, patches, token_rows,
                                        tokens, rescale, &w->sample);
        fits &= CS_TYPED(cs_group)(&w->sample, &w->grouped);
    }
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
    patch_gradient(w, !options->detach_weights, adds_bias(w, options) ? patch_bias : NULL,
                   dpatches);
}

static cs_real *
at(cs_real *x, size_t offset)
{
    return x == NULL ? NULL : x + offset;
}

/* Tokens of sample i, patches of sample `source`, which no other sample reads: the gradients are
 * this one's alone. */
static void
one_sample(size_t i, size_t source, size_t P, size_t L, size_t D,
           const CS_TYPED(cs_sparc_input) *in, const cs_sparc_options *options,
           const CS_TYPED(cs_sparc_output) *all, void *memory)
{
    cs_arena arena = {memory, 0};
    workspace space, *w = &space;
    layout(P, L, D, all->dpatches != NULL, &arena, w);
    cs_row_set patch_rows = cs_rows_of_sample(source, P, in->patch_valid);
    cs_row_set token_rows = cs_rows_of_sample(i, L, in->text_valid);
    CS_TYPED(cs_sparc_output) out = *all;
    const cs_real *patch_bias = in->patch_bias == NULL ? NULL : in->patch_bias + source * D;
    const cs_real *token_bias = in->token_bias == NULL ? NULL : in->token_bias + i * D;
    out.weights = at(all->weights, i * L * P);
    out.dpatches = at(all->dpatches, source * P * D);
    out.dtokens = at(all->dtokens, i * L * D);
    out.loss[i] = out.dscale[i] = out.dsoftmax_scale[i] = 0;
    out.kept[i] = 0;
    int skipped = cs_valid_rows(patch_rows) == 0 || cs_valid_rows(token_rows) == 0;
    if (!skipped)
        sample_loss(D, i, patch_rows, in->patches + source * P * D, token_rows,
                    in->tokens + i * L * D, in->share[i], patch_bias, options, &out, w);
    else if (out.weights != NULL)
        memset(out.weights, 0, L * P * sizeof(cs_real));
    if (out.dpatches == NULL)
        return;
    if (skipped || options->weight == 0) {
        CS_TYPED(cs_sample_store_bias)(D, patch_rows, patch_bias, 0, out.dpatches);
        CS_TYPED(cs_sample_store_bias)(D, token_rows, token_bias, options->token_bias_everywhere,
                                       out.dtokens);
    } else {
        CS_TYPED(cs_sample_store_patches)(&w->sample, adds_bias(w, options) ? NULL : patch_bias,
                                          out.dpatches);
        CS_TYPED(cs_sample_store_tokens)(&w->sample, token_bias, options->token_bias_everywhere,
                                         out.dtokens);
    }
}

cs_status
CS_TYPED(cs_sparc)(size_t B, size_t P, size_t L, size_t D, const CS_TYPED(cs_sparc_input) *in,
                   const cs_sparc_options *options, const CS_TYPED(cs_sparc_output) *out,
                   size_t threads, void *scratch)
{
    size_t bytes = CS_TYPED(cs_sparc_scratch)(P, L, D, out->dpatches != NULL, 1);
    if (B == 1 || B * P * L * D < 65536)
        threads = 1; /* too little to wake the others */
    CS_EACH_DYNAMIC(i, thread, B, threads,
                    one_sample(i, (i + options->patch_shift) % B, P, L, D, in, options, out,
                               (char *)scratch + thread * bytes));
    return CS_OK;
}
