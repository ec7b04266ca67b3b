/* The products of a sample on operands rounded to bfloat16. */
#include "loss/sparc/products.h"

static cs_bf16x2 *
take(cs_arena *arena, size_t count)
{
    return cs_arena_take(arena, count * sizeof(cs_bf16x2));
}

void
cs_rounded_layout(size_t P, size_t L, size_t D, cs_arena *arena, struct cs_rounded *r)
{
    size_t lanes = (L + CS_LANES - 1) / CS_LANES * CS_LANES;
    size_t widest = lanes < CS_BLOCK ? lanes : CS_BLOCK;
    size_t tall = cs_bf16x2_count(P) * widest, flat = cs_bf16x2_count(L) * lanes;
    r->patch_rows = take(arena, P * cs_bf16x2_count(D));
    r->patch_stack = take(arena, cs_bf16x2_count(P) * D);
    r->token_stack = take(arena, cs_bf16x2_count(L) * D);
    r->grouped_rows = take(arena, L * cs_bf16x2_count(D));
    r->grouped_stack = take(arena, cs_bf16x2_count(L) * D);
    r->block_rows = take(arena, widest * cs_bf16x2_count(D));
    r->transposed = take(arena, cs_bf16x2_count(D) * widest);
    r->weights = take(arena, P * lanes / 2);
    r->ds = take(arena, P * lanes / 2);
    r->dlogits = take(arena, L * lanes / 2);
    r->stack = take(arena, tall > flat ? tall : flat);
}

/* Where the rows of a block start in a matrix [P,lanes] of all of them. */
static cs_bf16x2 *
rows_of_block(const cs_sample_f32 *x, const cs_block_f32 *block, cs_bf16x2 *all)
{
    return all + x->P * block->first / 2;
}

/* The caller's bfloat16 rows serve as they are if they follow each other in whole pairs. */
static int
in_pairs(const cs_sample_f32 *x)
{
    return x->patches_in_place && x->D % 2 == 0 && (uintptr_t)x->patch_bits % sizeof(cs_bf16x2) == 0;
}

static void
open(const cs_sample_f32 *x)
{
    struct cs_rounded *r = x->rounded;
    r->patches = r->patch_rows;
    if (x->patch_bits == NULL) {
        cs_bf16_of_floats(x->P, x->D, x->patches, x->D, r->patch_rows, r->patch_stack);
        return;
    }
    const int serve = in_pairs(x);
    const uint16_t *start = x->patch_bits + x->first_patch * x->D;
    if (serve)
        r->patches = (const cs_bf16x2 *)(const void *)start;
    cs_bf16_of_bits(x->patch_rows.count, x->D, x->patch_bits, x->patch_rows.valid,
                     serve ? NULL : r->patch_rows, r->patch_stack);
}

/* Rows [count,D] both transposed and stacked, for sums over D and for sums over tokens. */
static void
transpose(const cs_sample_f32 *x, const cs_block_f32 *block, const float *rows, cs_bf16x2 *stack)
{
    const struct cs_rounded *r = x->rounded;
    cs_bf16_of_floats(block->count, x->D, rows, x->D, r->block_rows,
                       stack + block->first / 2 * x->D);
    cs_bf16_transpose(block->count, x->D, block->lanes, r->block_rows, r->transposed);
}

static void
transpose_tokens(const cs_sample_f32 *x, const cs_block_f32 *block)
{
    transpose(x, block, cs_sample_tokens_f32(x, block->first, block->count),
              x->rounded->token_stack);
}

static void
transpose_grouped(const cs_sample_f32 *x, const cs_block_f32 *block, const float *dc)
{
    transpose(x, block, dc + block->first * x->D, x->rounded->grouped_stack);
}

static void
project(const cs_sample_f32 *x, size_t lanes, float *out)
{
    const size_t K = cs_bf16x2_count(x->D);
    cs_bf16_term term = {K, x->rounded->patches, K, 1, x->rounded->transposed, lanes};
    cs_bf16_result result = {.c = out, .c_row = lanes, .hints = CS_FETCH};
    cs_bf16_product(x->P, lanes, 1, &term, &result);
}

/* c [count,D] = (rows +) m' V for m [P,lanes]; m's rows are kept. */
static void
times_patches(const cs_sample_f32 *x, const cs_block_f32 *block, const float *m, cs_bf16x2 *kept,
              const float *rows, float *c)
{
    const struct cs_rounded *r = x->rounded;
    cs_bf16_of_floats(x->P, block->lanes, m, block->lanes, rows_of_block(x, block, kept),
                       r->stack);
    cs_bf16_term term = {cs_bf16x2_count(x->P), r->stack, 1, block->lanes, r->patch_stack, x->D};
    cs_bf16_result result = {c, x->D, NULL, rows, x->D, 0};
    cs_bf16_product(block->count, x->D, 1, &term, &result);
}

static void
gather(const cs_sample_f32 *x, const cs_block_f32 *block, float *c)
{
    times_patches(x, block, block->weights, x->rounded->weights, NULL, c);
}

static void
match(const cs_sample_f32 *x, const cs_block_f32 *block, const float *c, float *logits)
{
    const struct cs_rounded *r = x->rounded;
    const size_t K = cs_bf16x2_count(x->D);
    if (block->first == 0)
        cs_bf16_of_floats(x->L, x->D, c, x->D, r->grouped_rows, r->grouped_stack);
    cs_bf16_term term = {K, r->grouped_rows, K, 1, r->transposed, block->lanes};
    cs_bf16_result result = {.c = logits + block->first, .c_row = x->lanes};
    cs_bf16_product(x->L, block->lanes, 1, &term, &result);
}

static void
dtokens(const cs_sample_f32 *x, const float *dlogits, const float *c, const float *pull, float *out)
{
    const struct cs_rounded *r = x->rounded;
    const size_t L = x->L, D = x->D, reach = cs_sample_reach_f32(x);
    (void)c; /* match has rounded it */
    cs_bf16_of_floats(L, x->lanes, dlogits, x->lanes, r->dlogits, r->stack);
    for (size_t k = 0; k < L; k += reach) {
        const size_t count = L - k < reach ? L - k : reach;
        cs_bf16_term term = {cs_bf16x2_count(L), r->stack + k, 1, x->lanes, r->grouped_stack, D};
        cs_bf16_result result = {out + k * D, D, pull + k, cs_sample_tokens_f32(x, k, count), D, 0};
        cs_bf16_product(count, D, 1, &term, &result);
    }
}

static void
dgrouped(const cs_sample_f32 *x, const float *dlogits, const float *pull, float *c)
{
    const struct cs_rounded *r = x->rounded;
    (void)dlogits; /* dtokens has rounded them */
    cs_bf16_term term = {cs_bf16x2_count(x->L), r->dlogits, x->lanes / 2, 1, r->token_stack, x->D};
    cs_bf16_result result = {c, x->D, pull, c, x->D, 0};
    cs_bf16_product(x->L, x->D, 1, &term, &result);
}

static void
dtokens_through_weights(const cs_sample_f32 *x, const cs_block_f32 *block, int add, float *out)
{
    times_patches(x, block, block->ds, x->rounded->ds, add ? out : NULL, out);
}

static void
dpatches(const cs_sample_f32 *x, int through_weights, const float *dc, cs_result_f32 exact)
{
    const struct cs_rounded *r = x->rounded;
    const size_t D = x->D;
    cs_bf16_result result = {exact.c, exact.c_row, exact.e, exact.rows, exact.rows_row,
                             exact.hints};
    if (!through_weights) /* else transpose_grouped has stacked it */
        cs_bf16_of_floats(x->L, D, dc, D, NULL, r->grouped_stack);
    for (size_t first = 0; first < x->L;) {
        cs_bf16_term term[CS_MOST_TERMS];
        size_t terms = 0;
        do {
            const cs_block_f32 block = cs_sample_block_f32(x, first);
            const size_t K = cs_bf16x2_count(block.count), a_row = block.lanes / 2, at = first / 2 * D;
            term[terms++] = (cs_bf16_term){K, rows_of_block(x, &block, r->weights), a_row, 1,
                                           r->grouped_stack + at, D};
            if (through_weights)
                term[terms++] = (cs_bf16_term){K, rows_of_block(x, &block, r->ds), a_row, 1,
                                               r->token_stack + at, D};
            first += x->width;
        } while (first < x->L && terms + 2 <= CS_MOST_TERMS);
        cs_bf16_product(x->P, D, terms, term, &result);
        result.e = NULL;
        result.rows = result.c;
        result.rows_row = D;
    }
}

const struct cs_sample_products_f32 cs_rounded_products_f32 = {
    .open = open,
    .transpose_tokens = transpose_tokens,
    .transpose_grouped = transpose_grouped,
    .project = project,
    .gather = gather,
    .match = match,
    .dtokens = dtokens,
    .dgrouped = dgrouped,
    .dtokens_through_weights = dtokens_through_weights,
    .dpatches = dpatches,
};
