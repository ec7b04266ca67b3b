#include "loss/sparc/sample.h"

#include <string.h>

#include "base/real.h"
#include "la/rows.h"
#include "loss/sparc/products.h"

/* Sums of similarities above this likewise. */
#define LARGE_SUM pow(CS_REAL_MAX, (cs_real)0.75)

static cs_real *
take(cs_arena *arena, size_t count)
{
    return cs_arena_take(arena, count * sizeof(cs_real));
}

void
CS_TYPED(cs_sample_layout)(size_t P, size_t L, size_t D, int packs_patches, cs_arena *arena,
                           CS_TYPED(cs_sample) *sample)
{
    size_t lanes = (L + CS_LANES - 1) / CS_LANES * CS_LANES;
    size_t widest = lanes < CS_BLOCK ? lanes : CS_BLOCK;
    sample->token_scale = take(arena, lanes);
    sample->patch_inverse = take(arena, P);
    sample->token_inverse = take(arena, lanes);
    sample->transposed = take(arena, D * widest);
    sample->weights = take(arena, P * lanes);
    sample->ds = take(arena, P * (widest + lanes));
    sample->patch_pull = take(arena, P);
    sample->token_pull = take(arena, lanes);
    sample->state.low = take(arena, lanes);
    sample->state.cut = take(arena, lanes);
    sample->state.divisor = take(arena, lanes);
    sample->state.live = take(arena, lanes);
    sample->state.kept = take(arena, lanes);
    sample->state.factor = take(arena, lanes);
    sample->state.total = take(arena, lanes);
    sample->state.lowest = cs_arena_take(arena, lanes * sizeof(int32_t));
    sample->packed_tokens = take(arena, widest * D);
    sample->products = &CS_TYPED(cs_exact_products);
    sample->patch_bits = NULL;
    if (packs_patches)
        sample->packed_patches = take(arena, P * D);
}

/* softmax: the logit of token k is softmax_scale s, with s measured in the caller's units. */
static void
set_factors(CS_TYPED(cs_sample) *sample)
{
    double beta = sample->options->softmax_scale, most = LARGE_SUM;
    for (size_t k = 0; k < sample->lanes; k++) {
        double factor = beta;
        if (!sample->options->cosine)
            factor = beta / sample->token_scale[k] / sample->patch_scale;
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
normalize(CS_TYPED(cs_sample) *sample, const CS_TYPED(cs_block) *block)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    const cs_align_options *options = sample->options;
    CS_TYPED(cs_lane_state) state = state_from(sample, block->first);
    size_t P = sample->P;
    if (options->cosine)
        kernels->scale_outer(P, block->lanes, sample->patch_inverse,
                             sample->token_inverse + block->first, block->s);
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

/* The sizes of one sample, and how its tokens are cut into blocks. */
static void
set_sizes(size_t D, cs_row_set patch_rows, cs_row_set token_rows, CS_TYPED(cs_sample) *sample)
{
    sample->patch_rows = patch_rows;
    sample->token_rows = token_rows;
    sample->P = cs_valid_rows(patch_rows);
    sample->L = cs_valid_rows(token_rows);
    sample->D = D;
    size_t units = (sample->L + CS_LANES - 1) / CS_LANES;
    size_t blocks = (units * CS_LANES + CS_BLOCK - 1) / CS_BLOCK;
    sample->lanes = units * CS_LANES;
    sample->width = (units + blocks - 1) / blocks * CS_LANES;
    sample->s = sample->ds + sample->P * sample->width;
}

int
CS_TYPED(cs_sample_open)(size_t D, const cs_align_options *options, cs_row_set patch_rows,
                         const cs_real *patches, cs_row_set token_rows, const cs_real *tokens,
                         int rescale, CS_TYPED(cs_sample) *sample)
{
    set_sizes(D, patch_rows, token_rows, sample);
    sample->options = options;
    sample->rescaled = rescale;
    int fits = CS_TYPED(cs_sample_pack)(sample, patches, tokens, rescale);
    sample->products->open(sample);
    if (options->normalizer == CS_SOFTMAX)
        set_factors(sample);
    CS_FOR_BLOCKS(first, sample) {
        CS_TYPED(cs_block) block = CS_TYPED(cs_sample_block)(sample, first);
        sample->products->transpose_tokens(sample, &block);
        sample->products->project(sample, block.lanes, block.s);
        normalize(sample, &block);
    }
    for (size_t k = 0; k < sample->L; k++)
        fits &= sample->state.divisor[k] <= LARGE_SUM;
    return fits;
}

/* ds arrives as dL/ds of the cosines; leave it as dL/d(v . t), and in the pulls what the lengths
 * take back. */
static void
through_unit_vectors(CS_TYPED(cs_sample) *sample, const CS_TYPED(cs_block) *block)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t P = sample->P, lanes = block->lanes;
    const cs_real *token_inverse = sample->token_inverse + block->first;
    cs_real *token_pull = sample->token_pull + block->first;
    for (size_t p = 0; p < P; p++) {
        cs_real inverse = sample->patch_inverse[p];
        sample->patch_pull[p] -= inverse * inverse * rows->dot(lanes, block->ds + p * lanes,
                                                               block->s + p * lanes);
    }
    kernels->column_dot(P, lanes, block->ds, block->s, token_pull);
    kernels->scale_outer(P, lanes, sample->patch_inverse, token_inverse, block->ds);
    for (size_t k = 0; k < lanes; k++)
        token_pull[k] *= -token_inverse[k] * token_inverse[k];
}

/* A softmax of huge logits has huge derivatives where two of them tie. */
static void
keep_in_range(size_t count, cs_real *ds)
{
    const cs_real most = LARGE_SUM;
    for (size_t i = 0; i < count; i++) {
        cs_real x = ds[i];
        ds[i] = x > most ? most : x < -most ? -most : x; /* a NaN stays */
    }
}

double
CS_TYPED(cs_sample_backward)(CS_TYPED(cs_sample) *sample, const CS_TYPED(cs_block) *block)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    const cs_align_options *options = sample->options;
    CS_TYPED(cs_lane_state) state = state_from(sample, block->first);
    size_t P = sample->P, lanes = block->lanes;
    double dsoftmax_scale = 0;
    if (block->first == 0) {
        memset(sample->patch_pull, 0, P * sizeof(cs_real));
        memset(sample->token_pull, 0, sample->lanes * sizeof(cs_real));
    }
    if (options->normalizer == CS_SOFTMAX) {
        kernels->softmax_backward(P, lanes, block->s, state, block->weights, block->ds, block->ds);
        for (size_t k = 0; k < block->count; k++) {
            double scale = (double)sample->token_scale[block->first + k] * sample->patch_scale;
            dsoftmax_scale += (double)state.total[k] / (options->cosine ? 1 : scale);
        }
    } else {
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
                                   const CS_TYPED(cs_block) *block, int add, cs_real *dtokens)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t D = sample->D;
    cs_real *to = dtokens + block->first * D;
    sample->products->dtokens_through_weights(sample, block, add, to);
    if (!sample->options->cosine)
        return;
    const cs_real *tokens = CS_TYPED(cs_sample_tokens)(sample, block->first, block->count);
    for (size_t k = 0; k < block->count; k++)
        rows->scale_add(D, sample->token_pull[block->first + k], tokens + k * D, 1, to + k * D);
}

int64_t
CS_TYPED(cs_sample_kept)(const CS_TYPED(cs_sample) *sample)
{
    int64_t kept = 0;
    for (size_t k = 0; k < sample->L; k++)
        kept += (int64_t)sample->state.kept[k];
    return kept;
}
