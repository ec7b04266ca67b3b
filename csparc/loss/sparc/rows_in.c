/* The way into a sample: lengths, and rows that cannot be read where they lie. */
#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"
#include "loss/sparc/sample.h"

/* Lengths above this leave too little of a float's range for products of two of them. */
#define LARGE_NORM sqrt(sqrt(CS_REAL_MAX))
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

/* Whether the valid rows, `valid` of them, follow each other; where they start. */
static int
is_run(cs_row_set rows, size_t valid, size_t *first)
{
    size_t row = 0;
    while (!cs_row_is_valid(rows, row))
        row++;
    *first = row;
    for (size_t end = row + valid; row < end; row++)
        if (!cs_row_is_valid(rows, row))
            return 0;
    return 1;
}

/* Lengths of the valid tokens. Returns whether they leave room for products. */
static int
measure_tokens(CS_TYPED(cs_sample) *sample, const cs_real *tokens, int rescale)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t D = sample->D, k = 0;
    int fits = 1;
    int run = is_run(sample->token_rows, sample->L, &sample->first_token);
    sample->tokens_in_place = run && !rescale;
    sample->caller_tokens = tokens;
    for (size_t row = sample->first_token; k < sample->L; row++) {
        if (!cs_row_is_valid(sample->token_rows, row))
            continue;
        cs_real length = cs_norm(rows, D, tokens + row * D), scale = rescale ? shrink(length) : 1;
        fits &= length <= LARGE_NORM;
        sample->token_scale[k] = scale;
        sample->token_inverse[k] = length <= CS_DEAD_NORM ? 0 : 1 / (length * scale);
        k++;
    }
    for (; k < sample->lanes; k++) {
        sample->token_scale[k] = 1;
        sample->token_inverse[k] = 0;
    }
    return fits;
}

const cs_real *
CS_TYPED(cs_sample_tokens)(const CS_TYPED(cs_sample) *sample, size_t first, size_t count)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t D = sample->D, row = sample->first_token;
    if (sample->tokens_in_place)
        return sample->caller_tokens + (row + first) * D;
    for (size_t k = 0; k < first + count; row++) {
        if (!cs_row_is_valid(sample->token_rows, row))
            continue;
        if (k >= first)
            rows->scale_add(D, sample->token_scale[k], sample->caller_tokens + row * D, 0,
                            sample->packed_tokens + (k - first) * D);
        k++;
    }
    return sample->packed_tokens;
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
    /* Patches that were widened lie where they are packed: rows only move up. */
    sample->patch_scale = rescale ? shrink(largest_entry(D, sample->patch_rows, patches)) : 1;
    int run = is_run(sample->patch_rows, sample->P, &sample->first_patch);
    sample->patches_in_place = run && sample->patch_scale == 1;
    sample->patches = sample->patches_in_place ? patches + sample->first_patch * D
                                               : sample->packed_patches;
    if (sample->patches_in_place || sample->patch_bits != NULL)
        return;
    for (size_t row = 0; row < sample->patch_rows.count; row++)
        if (cs_row_is_valid(sample->patch_rows, row))
            rows->scale_add(D, sample->patch_scale, patches + row * D, 0,
                            sample->packed_patches + p++ * D);
}

/* 1/|v| of every patch as scaled: where patches are packed, the caller's may be gone. */
static int
measure_patches(CS_TYPED(cs_sample) *sample)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    int fits = 1;
    for (size_t p = 0; p < sample->P; p++) {
        cs_real length = cs_norm(rows, sample->D, sample->patches + p * sample->D);
        fits &= length <= LARGE_NORM;
        sample->patch_inverse[p] = length <= CS_DEAD_NORM ? 0 : 1 / length;
    }
    return fits;
}

int
CS_TYPED(cs_sample_pack)(CS_TYPED(cs_sample) *sample, const cs_real *patches,
                         const cs_real *tokens, int rescale)
{
    int fits = measure_tokens(sample, tokens, rescale);
    pack_patches(sample, patches, rescale);
    if (sample->options->cosine)
        fits &= measure_patches(sample);
    return fits;
}
