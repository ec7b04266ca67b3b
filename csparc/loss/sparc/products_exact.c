/* The products of a sample on operands read where they lie. */
#include "base/blocks.h"
#include "base/real.h"
#include "la/multiply.h"
#include "loss/sparc/products.h"

void
CS_TYPED(cs_sample_operands_layout)(size_t P, size_t L, size_t D, int packs_patches,
                                    cs_arena *arena, CS_TYPED(cs_sample_operands) *x)
{
    size_t lanes = cs_whole_lanes(L), widest = cs_least(lanes, CS_TOKEN_BLOCK);
    x->transposed = CS_TAKE(arena, cs_real, D, widest);
    x->weights = CS_TAKE(arena, cs_real, P, lanes);
    x->ds = CS_TAKE(arena, cs_real, P, widest + lanes);
    x->bf16 = NULL;
    CS_TYPED(cs_sample_rows_layout)(P, L, D, packs_patches, arena, &x->rows);
}

static void
open(const CS_TYPED(cs_sample_operands) *x)
{
    (void)x;
}

/* The tokens of a block, or its rows of dc, as columns. */
static void
transpose_tokens(const CS_TYPED(cs_sample_operands) *x, const CS_TYPED(cs_token_block) *block)
{
    const cs_real *rows = CS_TYPED(cs_sample_tokens)(&x->rows, block->first, block->count);
    CS_TYPED(cs_transpose)(block->count, x->rows.D, block->lanes, rows, x->rows.D, x->transposed);
}

/* out [P,lanes] = V times the columns. */
static void
project(const CS_TYPED(cs_sample_operands) *x, size_t lanes, cs_real *out)
{
    size_t P = x->rows.P, D = x->rows.D;
    CS_TYPED(cs_term) term = {D, x->rows.patches, D, 1, x->transposed, lanes};
    CS_TYPED(cs_result) result = {.c = out, .c_row = lanes, .hints = CS_FETCH};
    CS_TYPED(cs_product)(P, lanes, 1, &term, &result);
}

static void
project_tokens(const CS_TYPED(cs_sample_operands) *x, const CS_TYPED(cs_token_block) *block)
{
    transpose_tokens(x, block);
    project(x, block->lanes, block->s);
}

static void
project_grouped(const CS_TYPED(cs_sample_operands) *x, const CS_TYPED(cs_token_block) *block,
                const cs_real *dc)
{
    size_t D = x->rows.D;
    CS_TYPED(cs_transpose)(block->count, D, block->lanes, dc + block->first * D, D, x->transposed);
    project(x, block->lanes, block->ds);
}

static void
gather(const CS_TYPED(cs_sample_operands) *x, const CS_TYPED(cs_token_block) *block, cs_real *c)
{
    size_t P = x->rows.P, D = x->rows.D;
    cs_multiply(block->count, D, P, block->weights, 1, block->lanes, x->rows.patches, D, 0, c, D);
}

static void
match(const CS_TYPED(cs_sample_operands) *x, const cs_real *c, cs_real *logits)
{
    const CS_TYPED(cs_sample_rows) *rows = &x->rows;
    CS_FOR_BLOCKS(first, rows) {
        CS_TYPED(cs_token_block) block = CS_TYPED(cs_sample_block)(x, first);
        if (rows->width < rows->L) /* the tokens of a single block are still transposed */
            transpose_tokens(x, &block);
        cs_multiply(rows->L, block.lanes, rows->D, c, rows->D, 1, x->transposed, block.lanes, 0,
                    logits + first, rows->lanes);
    }
}

static void
contrast_backward(const CS_TYPED(cs_sample_operands) *x, const cs_real *dlogits,
                  const cs_real *token_radial, const cs_real *radial, cs_real *dtokens, cs_real *c)
{
    const CS_TYPED(cs_sample_rows) *rows = &x->rows;
    size_t L = rows->L, D = rows->D, lanes = rows->lanes, reach = CS_TYPED(cs_sample_reach)(rows);
    for (size_t k = 0; k < L; k += reach) {
        size_t count = cs_block_length(k, reach, L);
        const cs_real *tokens = CS_TYPED(cs_sample_tokens)(rows, k, count);
        CS_TYPED(cs_term) term = {L, dlogits + k, 1, lanes, c, D};
        CS_TYPED(cs_result) result = {dtokens + k * D, D, token_radial + k, tokens, D, 0};
        CS_TYPED(cs_product)(count, D, 1, &term, &result);
    }
    for (size_t k = 0; k < L; k += reach) {
        size_t count = cs_block_length(k, reach, L);
        const cs_real *tokens = CS_TYPED(cs_sample_tokens)(rows, k, count);
        CS_TYPED(cs_term) term = {count, dlogits + k, lanes, 1, tokens, D};
        CS_TYPED(cs_result) result = {c, D, k == 0 ? radial : NULL, c, D, 0};
        CS_TYPED(cs_product)(L, D, 1, &term, &result);
    }
}

static void
add_token_gradient(const CS_TYPED(cs_sample_operands) *x, const CS_TYPED(cs_token_block) *block,
                   int add, cs_real *dtokens)
{
    size_t P = x->rows.P, D = x->rows.D;
    cs_multiply(block->count, D, P, block->ds, 1, block->lanes, x->rows.patches, D, add, dtokens,
                D);
}

static void
patch_gradient(const CS_TYPED(cs_sample_operands) *x, int through_weights, const cs_real *dc,
               CS_TYPED(cs_result) result)
{
    const CS_TYPED(cs_sample_rows) *rows = &x->rows;
    size_t D = rows->D;
    for (size_t first = 0; first < rows->L;) {
        CS_TYPED(cs_term) term[CS_MOST_TERMS];
        size_t terms = 0;
        do {
            CS_TYPED(cs_token_block) block = CS_TYPED(cs_sample_block)(x, first);
            term[terms++] = (CS_TYPED(cs_term)){block.count, block.weights, block.lanes, 1,
                                                dc + first * D, D};
            if (through_weights)
                term[terms++] = (CS_TYPED(cs_term)){
                    block.count, block.ds, block.lanes, 1,
                    CS_TYPED(cs_sample_tokens)(rows, first, block.count), D};
            first += rows->width;
        } while (first < rows->L && rows->tokens_in_place && terms + 2 <= CS_MOST_TERMS);
        CS_TYPED(cs_product)(rows->P, D, terms, term, &result);
        result.e = NULL;
        result.rows = result.c;
        result.rows_row = D;
    }
}

const CS_TYPED(cs_sample_products) CS_TYPED(cs_sample_products_exact) = {
    .open = open,
    .project_tokens = project_tokens,
    .gather = gather,
    .match = match,
    .contrast_backward = contrast_backward,
    .project_grouped = project_grouped,
    .add_token_gradient = add_token_gradient,
    .patch_gradient = patch_gradient,
};
