#include "loss/sample.h"

#include <string.h>

#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"
#include "la/tiles.h"

/* Lengths above this leave too little of a float's range for products of two of them. */
#define LARGE_NORM sqrt(sqrt(CS_REAL_MAX))
/* Sums of similarities above this likewise. */
#define LARGE_SUM pow(CS_REAL_MAX, (cs_real)0.75)

static cs_real *
take(cs_arena *arena, size_t count)
{
    return cs_arena_take(arena, count * sizeof(cs_real));
}

void
CS_TYPED(cs_sample_layout)(size_t P, size_t L, size_t D, cs_arena *arena,
                           CS_TYPED(cs_sample) *sample)
{
    size_t lanes = (L + CS_LANES - 1) / CS_LANES * CS_LANES;
    sample->token_scale = take(arena, lanes);
    sample->patch_inverse = take(arena, P);
    sample->token_inverse = take(arena, lanes);
    sample->transposed = take(arena, D * lanes);
    sample->s = take(arena, P * lanes);
    sample->weights = take(arena, P * lanes);
    sample->gradient = sample->ds = take(arena, P * lanes);
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
    sample->packed_patches = take(arena, P * D);
    sample->packed_tokens = take(arena, L * D);
    sample->packed_dtokens = take(arena, L * D);
}

/* The power of two that brings a large x to at most 1; 1 for what is not large, or not finite. */
static cs_real
shrink(cs_real x)
{
    const cs_real margin = 1024; /* entries below this part of LARGE_NORM make no large vector */
    int exponent = 0;
    if (!(x > LARGE_NORM / margin && x <= CS_REAL_MAX))
        return 1;
    (void)frexp(x, &exponent);
    return ldexp((cs_real)1, -exponent);
}

static int
is_prefix(cs_row_set rows, size_t valid)
{
    for (size_t row = 0; row < valid; row++)
        if (!cs_row_is_valid(rows, row))
            return 0;
    return 1;
}

/* Lengths of the valid tokens, and the tokens themselves, in place or packed. Returns whether the
 * lengths leave room for products. */
static int
pack_tokens(CS_TYPED(cs_sample) *sample, const cs_real *tokens, int rescale)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t D = sample->D, k = 0;
    int fits = 1;
    sample->tokens_in_place = !rescale && is_prefix(sample->token_rows, sample->L);
    sample->tokens = sample->tokens_in_place ? tokens : sample->packed_tokens;
    for (size_t row = 0; row < sample->token_rows.count; row++) {
        if (!cs_row_is_valid(sample->token_rows, row))
            continue;
        const cs_real *token = tokens + row * D;
        cs_real length = cs_norm(rows, D, token), scale = rescale ? shrink(length) : 1;
        fits &= length <= LARGE_NORM;
        sample->token_scale[k] = scale;
        sample->token_inverse[k] = length <= CS_DEAD_NORM ? 0 : 1 / (length * scale);
        if (!sample->tokens_in_place)
            rows->scale_add(D, scale, token, 0, sample->packed_tokens + k * D);
        k++;
    }
    for (; k < sample->lanes; k++) {
        sample->token_scale[k] = 1;
        sample->token_inverse[k] = 0;
    }
    return fits;
}

static cs_real
largest_entry(size_t D, cs_row_set set, const cs_real *x)
{
    cs_real largest = 0;
    for (size_t row = 0; row < set.count; row++)
        for (size_t d = 0; cs_row_is_valid(set, row) && d < D; d++)
            largest = fmax(largest, fabs(x[row * D + d]));
    return largest;
}

static void
pack_patches(CS_TYPED(cs_sample) *sample, const cs_real *patches, int rescale)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t D = sample->D, p = 0;
    sample->patch_scale = rescale ? shrink(largest_entry(D, sample->patch_rows, patches)) : 1;
    sample->patches_in_place = sample->patch_scale == 1 && is_prefix(sample->patch_rows, sample->P);
    sample->patches = sample->patches_in_place ? patches : sample->packed_patches;
    for (size_t row = 0; !sample->patches_in_place && row < sample->patch_rows.count; row++)
        if (cs_row_is_valid(sample->patch_rows, row))
            rows->scale_add(D, sample->patch_scale, patches + row * D, 0,
                            sample->packed_patches + p++ * D);
}

/* 1/|v| of every patch as scaled. */
static int
measure_patches(CS_TYPED(cs_sample) *sample, const cs_real *patches)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    int fits = 1;
    for (size_t row = 0, p = 0; row < sample->patch_rows.count; row++) {
        if (!cs_row_is_valid(sample->patch_rows, row))
            continue;
        cs_real length = cs_norm(rows, sample->D, patches + row * sample->D);
        fits &= length <= LARGE_NORM;
        length *= sample->patch_scale;
        sample->patch_inverse[p++] = length <= CS_DEAD_NORM ? 0 : 1 / length;
    }
    return fits;
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

void
CS_TYPED(cs_sample_project)(const CS_TYPED(cs_sample) *sample, cs_real *out)
{
    CS_TYPED(cs_term) term = {sample->D, sample->patches, sample->D, 1, sample->transposed,
                              sample->lanes};
    CS_TYPED(cs_result) result = {.c = out, .c_row = sample->lanes, .hints = CS_FETCH};
    CS_TYPED(cs_product)(sample->P, sample->lanes, 1, &term, &result);
}

int
CS_TYPED(cs_sample_open)(size_t D, const cs_align_options *options, cs_row_set patch_rows,
                         const cs_real *patches, cs_row_set token_rows, const cs_real *tokens,
                         int rescale, CS_TYPED(cs_sample) *sample)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    size_t P = cs_valid_rows(patch_rows), L = cs_valid_rows(token_rows);
    size_t lanes = (L + CS_LANES - 1) / CS_LANES * CS_LANES;
    sample->options = options;
    sample->patch_rows = patch_rows;
    sample->token_rows = token_rows;
    sample->P = P;
    sample->L = L;
    sample->D = D;
    sample->lanes = lanes;
    sample->rescaled = rescale;

    int fits = pack_tokens(sample, tokens, rescale);
    pack_patches(sample, patches, rescale);
    CS_TYPED(cs_transpose)(L, D, lanes, sample->tokens, D, sample->transposed);
    CS_TYPED(cs_sample_project)(sample, sample->s);
    if (options->cosine) {
        fits &= measure_patches(sample, patches);
        kernels->scale_outer(P, lanes, sample->patch_inverse, sample->token_inverse, sample->s);
    }
    if (options->normalizer == CS_SOFTMAX) {
        set_factors(sample);
        kernels->softmax_forward(P, lanes, sample->s, sample->state, sample->weights);
    } else {
        double sigma = options->normalizer == CS_MINMAX ? -1
                       : options->sigma < 0             ? 1.0 / (double)P
                                                        : options->sigma;
        cs_real fill = options->uniform ? (cs_real)1 / (cs_real)P : 0;
        kernels->minmax_forward(P, lanes, (cs_real)sigma, fill, sample->s, sample->state,
                                sample->weights);
    }
    for (size_t k = 0; k < L; k++)
        fits &= sample->state.divisor[k] <= LARGE_SUM;
    return fits;
}

/* ds arrives as dL/ds of the cosines; leave it as dL/d(v . t), and in the pulls what the lengths
 * take back. */
static void
through_unit_vectors(CS_TYPED(cs_sample) *sample)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t lanes = sample->lanes;
    for (size_t p = 0; p < sample->P; p++) {
        cs_real inverse = sample->patch_inverse[p];
        sample->patch_pull[p] = -inverse * inverse * rows->dot(lanes, sample->ds + p * lanes,
                                                               sample->s + p * lanes);
    }
    kernels->column_dot(sample->P, lanes, sample->ds, sample->s, sample->token_pull);
    kernels->scale_outer(sample->P, lanes, sample->patch_inverse, sample->token_inverse,
                         sample->ds);
    for (size_t k = 0; k < lanes; k++)
        sample->token_pull[k] *= -sample->token_inverse[k] * sample->token_inverse[k];
}

/* A softmax of huge logits has huge derivatives where two of them tie. */
static void
keep_in_range(CS_TYPED(cs_sample) *sample)
{
    const cs_real most = LARGE_SUM;
    for (size_t i = 0; i < sample->P * sample->lanes; i++) {
        cs_real x = sample->ds[i];
        sample->ds[i] = x > most ? most : x < -most ? -most : x; /* a NaN stays */
    }
}

double
CS_TYPED(cs_sample_backward)(CS_TYPED(cs_sample) *sample)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    size_t P = sample->P, lanes = sample->lanes;
    double dsoftmax_scale = 0;
    memset(sample->patch_pull, 0, P * sizeof(cs_real));
    memset(sample->token_pull, 0, lanes * sizeof(cs_real));
    if (sample->options->normalizer == CS_SOFTMAX) {
        kernels->softmax_backward(P, lanes, sample->s, sample->state, sample->weights,
                                  sample->gradient, sample->ds);
        for (size_t k = 0; k < sample->L; k++)
            dsoftmax_scale += sample->options->cosine
                                  ? (double)sample->state.total[k]
                                  : (double)sample->state.total[k] / sample->token_scale[k] /
                                        sample->patch_scale;
    } else {
        kernels->minmax_backward(P, lanes, sample->s, sample->state, sample->weights,
                                 sample->gradient, sample->ds);
    }
    if (sample->rescaled)
        keep_in_range(sample);
    if (sample->options->cosine)
        through_unit_vectors(sample);
    return dsoftmax_scale;
}

int64_t
CS_TYPED(cs_sample_kept)(const CS_TYPED(cs_sample) *sample)
{
    int64_t kept = 0;
    for (size_t k = 0; k < sample->L; k++)
        kept += (int64_t)sample->state.kept[k];
    return kept;
}
