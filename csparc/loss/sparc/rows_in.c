#include "loss/sparc/rows_in.h"

#include "base/blocks.h"
#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"

void
CS_TYPED(cs_sample_rows_layout)(size_t P, size_t L, size_t D, int packs_patches, cs_arena *arena,
                                CS_TYPED(cs_sample_rows) *rows)
{
    size_t lanes = cs_whole_lanes(L);
    rows->token_scale = CS_TAKE(arena, cs_real, lanes);
    rows->patch_inverse = CS_TAKE(arena, cs_real, P);
    rows->token_inverse = CS_TAKE(arena, cs_real, lanes);
    rows->packed_tokens = CS_TAKE(arena, cs_real, cs_least(lanes, CS_TOKEN_BLOCK), D);
    rows->patch_bits = NULL;
    if (packs_patches)
        rows->packed_patches = CS_TAKE(arena, cs_real, P, D);
}

/* Entries of rescaled patches lie below 2^PATCH_EXPONENT: 2^20 of them make no large vector (in
 * float), and the squares of lengths 1e24 times shorter stay in the type's range. */
enum { PATCH_EXPONENT = 22 };

/* The power of two that brings x to [2^exponent / 2, 2^exponent); 1 for what is 0 or not finite, or
 * so small that no length of it counts. */
static cs_real
power_to(int exponent, cs_real x)
{
    int own = 0;
    if (!(x > CS_DEAD_NORM / CS_LARGE_NORM && x <= CS_REAL_MAX))
        return 1;
    (void)frexp(x, &own);
    return ldexp((cs_real)1, exponent - own);
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

/* Lengths of the valid tokens. Returns whether products of two of them stay in range. */
static int
measure_tokens(CS_TYPED(cs_sample_rows) *sample, const cs_real *tokens, int rescale)
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
        cs_real length = cs_norm(rows, D, tokens + row * D);
        cs_real scale = rescale ? power_to(0, length) : 1;
        fits &= length <= CS_LARGE_NORM;
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
CS_TYPED(cs_sample_tokens)(const CS_TYPED(cs_sample_rows) *sample, size_t first, size_t count)
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
pack_patches(CS_TYPED(cs_sample_rows) *sample, const cs_real *patches, int rescale)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t D = sample->D, p = 0;
    /* `patches` may be packed_patches itself, widened there from bfloat16: rows only move up. */
    cs_real largest = rescale ? largest_entry(D, sample->patch_rows, patches) : 0;
    sample->patch_scale = power_to(PATCH_EXPONENT, largest);
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
measure_patches(CS_TYPED(cs_sample_rows) *sample)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    cs_real dead = CS_TYPED(cs_dead_patch)(sample);
    int fits = 1;
    for (size_t p = 0; p < sample->P; p++) {
        cs_real length = cs_norm(rows, sample->D, sample->patches + p * sample->D);
        fits &= length <= CS_LARGE_NORM;
        sample->patch_inverse[p] = length <= dead ? 0 : 1 / length;
    }
    return fits;
}

static void
set_sizes(size_t D, cs_row_set patch_rows, cs_row_set token_rows,
          CS_TYPED(cs_sample_rows) *sample)
{
    sample->patch_rows = patch_rows;
    sample->token_rows = token_rows;
    sample->P = cs_valid_rows(patch_rows);
    sample->L = cs_valid_rows(token_rows);
    sample->D = D;
    sample->lanes = cs_whole_lanes(sample->L);
    size_t blocks = cs_ceil_divide(sample->lanes, CS_TOKEN_BLOCK);
    sample->width = cs_ceil_divide(sample->lanes / CS_LANES, blocks) * CS_LANES;
}

int
CS_TYPED(cs_sample_rows_open)(size_t D, int unit, cs_row_set patch_rows, const cs_real *patches,
                              cs_row_set token_rows, const cs_real *tokens, int rescale,
                              CS_TYPED(cs_sample_rows) *sample)
{
    set_sizes(D, patch_rows, token_rows, sample);
    int fits = measure_tokens(sample, tokens, rescale);
    pack_patches(sample, patches, rescale);
    if (unit)
        fits &= measure_patches(sample);
    return fits;
}
