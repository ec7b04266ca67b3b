#include "loss/sparc/sample.h"

#include <string.h>

#include "base/real.h"
#include "la/rows.h"
#include "loss/kernels/logits.h"

/* Sums of similarities, factors of them and gradients by them up to this leave further products in
 * the type's range. */
#define LARGE_SUM pow(CS_REAL_MAX, (cs_real)0.75)

/* Gradients are divided by sums of similarities: down to this they stay in the type's range. */
#define SMALL_SUM (1 / sqrt(CS_REAL_MAX))

void
CS_TYPED(cs_sample_layout)(size_t P, size_t L, size_t D, int packs_patches, cs_arena *arena,
                           CS_TYPED(cs_sample) *sample)
{
    size_t lanes = cs_whole_lanes(L);
    CS_TYPED(cs_sample_operands_layout)(P, L, D, packs_patches, arena, &sample->operands);
    sample->products = &CS_TYPED(cs_sample_products_exact);
    sample->patch_radial = CS_TAKE(arena, cs_real, P);
    sample->token_radial = CS_TAKE(arena, cs_real, lanes);
    sample->state.low = CS_TAKE(arena, cs_real, lanes);
    sample->state.cut = CS_TAKE(arena, cs_real, lanes);
    sample->state.divisor = CS_TAKE(arena, cs_real, lanes);
    sample->state.live = CS_TAKE(arena, cs_real, lanes);
    sample->state.kept = CS_TAKE(arena, cs_real, lanes);
    sample->state.factor = CS_TAKE(arena, cs_real, lanes);
    sample->state.total = CS_TAKE(arena, cs_real, lanes);
    sample->state.lowest = CS_TAKE(arena, int32_t, lanes);
}

/* softmax: the logit of token k is softmax_scale s, with s of the caller's vectors, not scaled. */
static void
set_factors(CS_TYPED(cs_sample) *sample)
{
    const CS_TYPED(cs_sample_rows) *rows = &sample->operands.rows;
    double beta = sample->options->softmax_scale, most = LARGE_SUM;
    for (size_t k = 0; k < rows->lanes; k++) {
        double factor = beta;
        if (!sample->options->cosine)
            factor = beta / rows->token_scale[k] / rows->patch_scale;
        sample->state.factor[k] = (cs_real)fmax(-most, fmin(most, factor));
    }
}

/* The state of lanes from `first` on. */
static CS_TYPED(cs_lane_state)
state_from(const CS_TYPED(cs_sample) *sample, size_t first)
{
    CS_TYPED(cs_lane_state) state = sample->state;
    cs_real **all[] = {&state.low, &state.cut, &state.divisor, &state.live,
                       &state.kept, &state.factor, &state.total};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        *all[i] += first;
    state.lowest += first;
    return state;
}

/* From s of a block to its weights. */
static void
normalize(CS_TYPED(cs_sample) *sample, const CS_TYPED(cs_token_block) *block)
{
    const CS_TYPED(cs_alignment_kernels) *kernels = CS_TYPED(cs_alignment_kernels_in_use)();
    const CS_TYPED(cs_sample_rows) *rows = &sample->operands.rows;
    const cs_align_options *options = sample->options;
    CS_TYPED(cs_lane_state) state = state_from(sample, block->first);
    size_t P = rows->P;
    if (options->cosine)
        CS_TYPED(cs_logit_kernels_in_use)()->scale_outer(
            P, block->lanes, rows->patch_inverse, rows->token_inverse + block->first, block->s);
    if (options->normalizer == CS_SOFTMAX) {
        kernels->softmax_forward(P, block->lanes, block->s, state, block->weights);
        return;
    }
    double sigma = options->normalizer == CS_MINMAX ? -1
                   : options->sigma < 0             ? 1.0 / (double)P
                                                    : options->sigma;
    cs_real fill = options->uniform ? (cs_real)1 / (cs_real)P : 0;
    kernels->minmax_forward(P, block->lanes, (cs_real)sigma, fill, block->s, state, block->weights);
}

int
CS_TYPED(cs_sample_open)(size_t D, const cs_align_options *options, cs_row_set patch_rows,
                         const cs_real *patches, cs_row_set token_rows, const cs_real *tokens,
                         int rescale, CS_TYPED(cs_sample) *sample)
{
    CS_TYPED(cs_sample_operands) *x = &sample->operands;
    sample->options = options;
    sample->rescaled = rescale;
    int fits = CS_TYPED(cs_sample_rows_open)(D, options->cosine, patch_rows, patches, token_rows,
                                             tokens, rescale, &x->rows);
    x->s = x->ds + x->rows.P * x->rows.width;
    sample->products->open(x);
    if (options->normalizer == CS_SOFTMAX)
        set_factors(sample);
    CS_FOR_BLOCKS(first, &x->rows) {
        CS_TYPED(cs_token_block) block = CS_TYPED(cs_sample_block)(x, first);
        sample->products->project_tokens(x, &block);
        normalize(sample, &block);
    }
    for (size_t k = 0; k < x->rows.L; k++)
        fits &= sample->state.divisor[k] >= SMALL_SUM && sample->state.divisor[k] <= LARGE_SUM;
    return fits;
}

/* A softmax of huge logits has huge derivatives where two of them tie, and vectors of hardly any
 * length have them by their entries. */
static void
keep_in_range(size_t count, cs_real *ds)
{
    const cs_real most = LARGE_SUM;
    for (size_t i = 0; i < count; i++)
        ds[i] = cs_within(most, ds[i]);
}

/* ds arrives as dL/ds of the cosines; leave it as dL/d(v . t), and set the radial coefficients. */
static void
through_unit_vectors(CS_TYPED(cs_sample) *sample, const CS_TYPED(cs_token_block) *block)
{
    const CS_TYPED(cs_logit_kernels) *kernels = CS_TYPED(cs_logit_kernels_in_use)();
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_sample_rows) *of = &sample->operands.rows;
    size_t P = of->P, lanes = block->lanes;
    const cs_real *token_inverse = of->token_inverse + block->first;
    cs_real *token_radial = sample->token_radial + block->first;
    const cs_real most = CS_REAL_MAX / 4;
    for (size_t p = 0; p < P; p++) {
        cs_real inverse = of->patch_inverse[p];
        cs_real along = rows->dot(lanes, block->ds + p * lanes, block->s + p * lanes);
        sample->patch_radial[p] =
            cs_within(most, sample->patch_radial[p] - inverse * inverse * along);
    }
    kernels->column_dot(P, lanes, block->ds, block->s, token_radial);
    kernels->scale_outer(P, lanes, of->patch_inverse, token_inverse, block->ds);
    if (sample->rescaled)
        keep_in_range(P * lanes, block->ds);
    for (size_t k = 0; k < lanes; k++)
        token_radial[k] = cs_within(most, token_radial[k] * (-token_inverse[k] * token_inverse[k]));
}

double
CS_TYPED(cs_sample_backward)(CS_TYPED(cs_sample) *sample, const CS_TYPED(cs_token_block) *block)
{
    const CS_TYPED(cs_alignment_kernels) *kernels = CS_TYPED(cs_alignment_kernels_in_use)();
    const CS_TYPED(cs_sample_rows) *rows = &sample->operands.rows;
    const cs_align_options *options = sample->options;
    CS_TYPED(cs_lane_state) state = state_from(sample, block->first);
    size_t P = rows->P, lanes = block->lanes;
    double dsoftmax_scale = 0;
    if (block->first == 0) {
        memset(sample->patch_radial, 0, P * sizeof(cs_real));
        memset(sample->token_radial, 0, rows->lanes * sizeof(cs_real));
    }
    if (options->normalizer == CS_SOFTMAX) {
        kernels->softmax_backward(P, lanes, block->s, state, block->weights, block->ds, block->ds);
        for (size_t k = 0; k < block->count; k++) {
            double scale = (double)rows->token_scale[block->first + k] * rows->patch_scale;
            dsoftmax_scale += (double)state.total[k] / (options->cosine ? 1 : scale);
        }
    } else {
        /* The gradient by the smallest similarity's own weight, 0 whatever that similarity is,
         * cancels; a patch of another size would take the digits of the rest with it. */
        for (size_t k = 0; sample->rescaled && k < lanes; k++)
            block->ds[(size_t)state.lowest[k] * lanes + k] = 0;
        kernels->minmax_backward(P, lanes, block->s, state, block->weights, block->ds, block->ds);
    }
    if (sample->rescaled)
        keep_in_range(P * lanes, block->ds);
    if (options->cosine)
        through_unit_vectors(sample, block);
    return dsoftmax_scale;
}

void
CS_TYPED(cs_sample_token_gradient)(const CS_TYPED(cs_sample) *sample,
                                   const CS_TYPED(cs_token_block) *block, int add,
                                   cs_real *dtokens)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_sample_rows) *rows = &sample->operands.rows;
    size_t D = rows->D;
    cs_real *to = dtokens + block->first * D;
    sample->products->add_token_gradient(&sample->operands, block, add, to);
    if (!sample->options->cosine)
        return;
    const cs_real *tokens = CS_TYPED(cs_sample_tokens)(rows, block->first, block->count);
    for (size_t k = 0; k < block->count; k++)
        kernels->scale_add(D, sample->token_radial[block->first + k], tokens + k * D, 1,
                           to + k * D);
}

int64_t
CS_TYPED(cs_sample_kept)(const CS_TYPED(cs_sample) *sample)
{
    int64_t kept = 0;
    for (size_t k = 0; k < sample->operands.rows.L; k++)
        kept += (int64_t)sample->state.kept[k];
    return kept;
}
