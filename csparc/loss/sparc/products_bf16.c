/* The products of a sample on operands rounded to bfloat16. */
#include "base/blocks.h"
#include "loss/sparc/products.h"

void
cs_bf16_operands_layout(size_t P, size_t L, size_t D, cs_arena *arena, cs_bf16_operands *r)
{
    size_t lanes = cs_whole_lanes(L), widest = cs_least(lanes, CS_TOKEN_BLOCK);
    size_t tall = CS_SIZE(cs_bf16x2_count(P), widest), flat = CS_SIZE(cs_bf16x2_count(L), lanes);
    r->patch_rows = CS_TAKE(arena, cs_bf16x2, P, cs_bf16x2_count(D));
    r->patch_stack = CS_TAKE(arena, cs_bf16x2, cs_bf16x2_count(P), D);
    r->token_stack = CS_TAKE(arena, cs_bf16x2, cs_bf16x2_count(L), D);
    r->grouped_rows = CS_TAKE(arena, cs_bf16x2, L, cs_bf16x2_count(D));
    r->grouped_stack = CS_TAKE(arena, cs_bf16x2, cs_bf16x2_count(L), D);
    r->block_rows = CS_TAKE(arena, cs_bf16x2, widest, cs_bf16x2_count(D));
    r->transposed = CS_TAKE(arena, cs_bf16x2, cs_bf16x2_count(D), widest);
    r->weights = CS_TAKE(arena, cs_bf16x2, P, lanes / 2);
    r->ds = CS_TAKE(arena, cs_bf16x2, P, lanes / 2);
    r->dlogits = CS_TAKE(arena, cs_bf16x2, L, lanes / 2);
    r->stack = CS_TAKE(arena, cs_bf16x2, tall > flat ? tall : flat);
}

/* Where the rows of a block start in a matrix [P,lanes] of all of them. */
static cs_bf16x2 *
rows_of_block(const cs_sample_operands_f32 *x, const cs_token_block_f32 *block, cs_bf16x2 *all)
{
    return all + x->rows.P * block->first / 2;
}

/* The caller's bfloat16 rows serve as they are if each starts a cs_bf16x2. */
static int
serve_as_they_are(const cs_sample_rows_f32 *rows)
{
    return rows->patches_in_place && rows->D % 2 == 0 &&
           (uintptr_t)rows->patch_bits % sizeof(cs_bf16x2) == 0;
}

static void
open(const cs_sample_operands_f32 *x)
{
    const cs_sample_rows_f32 *rows = &x->rows;
    cs_bf16_operands *r = x->bf16;
    r->patches = r->patch_rows;
    if (rows->patch_bits == NULL) {
        cs_bf16_of_floats(rows->P, rows->D, rows->patches, rows->D, r->patch_rows, r->patch_stack);
        return;
    }
    const int serve = serve_as_they_are(rows);
    const uint16_t *start = rows->patch_bits + rows->first_patch * rows->D;
    if (serve)
        r->patches = (const cs_bf16x2 *)(const void *)start;
    cs_bf16_of_bits(rows->patch_rows.count, rows->D, rows->patch_bits, rows->patch_rows.valid,
                    serve ? NULL : r->patch_rows, r->patch_stack);
}

/* Rows [count,D] of a block both transposed, for sums over D, and stacked, for sums over tokens. */
static void
transpose(const cs_sample_operands_f32 *x, const cs_token_block_f32 *block, const float *rows,
          cs_bf16x2 *stack)
{
    const cs_bf16_operands *r = x->bf16;
    const size_t D = x->rows.D;
    cs_bf16_of_floats(block->count, D, rows, D, r->block_rows, stack + block->first / 2 * D);
    cs_bf16_transpose(block->count, D, block->lanes, r->block_rows, r->transposed);
}

static void
transpose_tokens(const cs_sample_operands_f32 *x, const cs_token_block_f32 *block)
{
    transpose(x, block, cs_sample_tokens_f32(&x->rows, block->first, block->count),
              x->bf16->token_stack);
}

/* out [P,lanes] = V times what is transposed. */
static void
project(const cs_sample_operands_f32 *x, size_t lanes, float *out)
{
    const size_t K = cs_bf16x2_count(x->rows.D);
    cs_bf16_term term = {K, x->bf16->patches, K, 1, x->bf16->transposed, lanes};
    cs_bf16_result result = {.c = out, .c_row = lanes, .hints = CS_FETCH};
    cs_bf16_product(x->rows.P, lanes, 1, &term, &result);
}

static void
project_tokens(const cs_sample_operands_f32 *x, const cs_token_block_f32 *block)
{
    transpose_tokens(x, block);
    project(x, block->lanes, block->s);
}

static void
project_grouped(const cs_sample_operands_f32 *x, const cs_token_block_f32 *block, const float *dc)
{
    transpose(x, block, dc + block->first * x->rows.D, x->bf16->grouped_stack);
    project(x, block->lanes, block->ds);
}

/* c [count,D] = (rows +) m^T V for m [P,lanes]; m's rows are kept. */
static void
times_patches(const cs_sample_operands_f32 *x, const cs_token_block_f32 *block, const float *m,
              cs_bf16x2 *kept, const float *rows, float *c)
{
    const cs_bf16_operands *r = x->bf16;
    const size_t P = x->rows.P, D = x->rows.D;
    cs_bf16_of_floats(P, block->lanes, m, block->lanes, rows_of_block(x, block, kept), r->stack);
    cs_bf16_term term = {cs_bf16x2_count(P), r->stack, 1, block->lanes, r->patch_stack, D};
    cs_bf16_result result = {c, D, NULL, rows, D, 0};
    cs_bf16_product(block->count, D, 1, &term, &result);
}

static void
gather(const cs_sample_operands_f32 *x, const cs_token_block_f32 *block, float *c)
{
    times_patches(x, block, block->weights, x->bf16->weights, NULL, c);
}

static void
match(const cs_sample_operands_f32 *x, const float *c, float *logits)
{
    const cs_bf16_operands *r = x->bf16;
    const cs_sample_rows_f32 *rows = &x->rows;
    const size_t K = cs_bf16x2_count(rows->D);
    cs_bf16_of_floats(rows->L, rows->D, c, rows->D, r->grouped_rows, r->grouped_stack);
    CS_FOR_BLOCKS(first, rows) {
        const cs_token_block_f32 block = cs_sample_block_f32(x, first);
        if (rows->width < rows->L) /* the tokens of a single block are still transposed */
            transpose_tokens(x, &block);
        cs_bf16_term term = {K, r->grouped_rows, K, 1, r->transposed, block.lanes};
        cs_bf16_result result = {.c = logits + first, .c_row = rows->lanes};
        cs_bf16_product(rows->L, block.lanes, 1, &term, &result);
    }
}

/* c is still in grouped_stack, T in token_stack. */
static void
contrast_backward(const cs_sample_operands_f32 *x, const float *dlogits, const float *token_radial,
                  const float *radial, float *dtokens, float *c)
{
    const cs_bf16_operands *r = x->bf16;
    const cs_sample_rows_f32 *rows = &x->rows;
    const size_t L = rows->L, D = rows->D, lanes = rows->lanes, reach = cs_sample_reach_f32(rows);
    cs_bf16_of_floats(L, lanes, dlogits, lanes, r->dlogits, r->stack);
    for (size_t k = 0; k < L; k += reach) {
        const size_t count = cs_block_length(k, reach, L);
        const float *tokens = cs_sample_tokens_f32(rows, k, count);
        cs_bf16_term term = {cs_bf16x2_count(L), r->stack + k, 1, lanes, r->grouped_stack, D};
        cs_bf16_result result = {dtokens + k * D, D, token_radial + k, tokens, D, 0};
        cs_bf16_product(count, D, 1, &term, &result);
    }
    cs_bf16_term term = {cs_bf16x2_count(L), r->dlogits, lanes / 2, 1, r->token_stack, D};
    cs_bf16_result result = {c, D, radial, c, D, 0};
    cs_bf16_product(L, D, 1, &term, &result);
}

static void
add_token_gradient(const cs_sample_operands_f32 *x, const cs_token_block_f32 *block, int add,
                   float *dtokens)
{
    times_patches(x, block, block->ds, x->bf16->ds, add ? dtokens : NULL, dtokens);
}

static void
patch_gradient(const cs_sample_operands_f32 *x, int through_weights, const float *dc,
               cs_result_f32 exact)
{
    const cs_bf16_operands *r = x->bf16;
    const cs_sample_rows_f32 *rows = &x->rows;
    const size_t D = rows->D;
    cs_bf16_result result = {exact.c, exact.c_row, exact.e, exact.rows, exact.rows_row,
                             exact.hints};
    if (!through_weights) /* else project_grouped has stacked it */
        cs_bf16_of_floats(rows->L, D, dc, D, NULL, r->grouped_stack);
    for (size_t first = 0; first < rows->L;) {
        cs_bf16_term term[CS_MOST_TERMS];
        size_t terms = 0;
        do {
            const cs_token_block_f32 block = cs_sample_block_f32(x, first);
            const size_t K = cs_bf16x2_count(block.count), row = block.lanes / 2;
            term[terms++] = (cs_bf16_term){K, rows_of_block(x, &block, r->weights), row, 1,
                                           r->grouped_stack + first / 2 * D, D};
            if (through_weights)
                term[terms++] = (cs_bf16_term){K, rows_of_block(x, &block, r->ds), row, 1,
                                               r->token_stack + first / 2 * D, D};
            first += rows->width;
        } while (first < rows->L && terms + 2 <= CS_MOST_TERMS);
        cs_bf16_product(rows->P, D, terms, term, &result);
        result.e = NULL;
        result.rows = result.c;
        result.rows_row = D;
    }
}

const cs_sample_products_f32 cs_sample_products_bf16 = {
    .open = open,
    .project_tokens = project_tokens,
    .gather = gather,
    .match = match,
    .contrast_backward = contrast_backward,
    .project_grouped = project_grouped,
    .add_token_gradient = add_token_gradient,
    .patch_gradient = patch_gradient,
};
