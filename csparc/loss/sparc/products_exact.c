/* The products of a sample on operands read where they lie. */
#include "base/real.h"
#include "loss/sparc/products.h"

static void
open(const CS_TYPED(cs_sample) *x)
{
    (void)x;
}

static void
transpose_tokens(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block)
{
    const cs_real *rows = CS_TYPED(cs_sample_tokens)(x, block->first, block->count);
    CS_TYPED(cs_transpose)(block->count, x->D, block->lanes, rows, x->D, x->transposed);
}

static void
transpose_grouped(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block, const cs_real *dc)
{
    CS_TYPED(cs_transpose)(block->count, x->D, block->lanes, dc + block->first * x->D, x->D,
                           x->transposed);
}

static void
project(const CS_TYPED(cs_sample) *x, size_t lanes, cs_real *out)
{
    CS_TYPED(cs_term) term = {x->D, x->patches, x->D, 1, x->transposed, lanes};
    CS_TYPED(cs_result) result = {.c = out, .c_row = lanes, .hints = CS_FETCH};
    CS_TYPED(cs_product)(x->P, lanes, 1, &term, &result);
}

static void
gather(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block, cs_real *c)
{
    CS_TYPED(cs_term) term = {x->P, block->weights, 1, block->lanes, x->patches, x->D};
    CS_TYPED(cs_result) result = {.c = c, .c_row = x->D};
    CS_TYPED(cs_product)(block->count, x->D, 1, &term, &result);
}

static void
match(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block, const cs_real *c,
      cs_real *logits)
{
    CS_TYPED(cs_term) term = {x->D, c, x->D, 1, x->transposed, block->lanes};
    CS_TYPED(cs_result) result = {.c = logits + block->first, .c_row = x->lanes};
    CS_TYPED(cs_product)(x->L, block->lanes, 1, &term, &result);
}

static void
dtokens(const CS_TYPED(cs_sample) *x, const cs_real *dlogits, const cs_real *c,
        const cs_real *pull, cs_real *out)
{
    size_t L = x->L, D = x->D, reach = CS_TYPED(cs_sample_reach)(x);
    for (size_t k = 0; k < L; k += reach) {
        size_t count = L - k < reach ? L - k : reach;
        const cs_real *tokens = CS_TYPED(cs_sample_tokens)(x, k, count);
        CS_TYPED(cs_term) term = {L, dlogits + k, 1, x->lanes, c, D};
        CS_TYPED(cs_result) result = {out + k * D, D, pull + k, tokens, D, 0};
        CS_TYPED(cs_product)(count, D, 1, &term, &result);
    }
}

static void
dgrouped(const CS_TYPED(cs_sample) *x, const cs_real *dlogits, const cs_real *pull, cs_real *c)
{
    size_t L = x->L, D = x->D, reach = CS_TYPED(cs_sample_reach)(x);
    for (size_t k = 0; k < L; k += reach) {
        size_t count = L - k < reach ? L - k : reach;
        const cs_real *tokens = CS_TYPED(cs_sample_tokens)(x, k, count);
        CS_TYPED(cs_term) term = {count, dlogits + k, x->lanes, 1, tokens, D};
        CS_TYPED(cs_result) result = {c, D, k == 0 ? pull : NULL, c, D, 0};
        CS_TYPED(cs_product)(L, D, 1, &term, &result);
    }
}

static void
dtokens_through_weights(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block, int add,
                        cs_real *out)
{
    CS_TYPED(cs_term) term = {x->P, block->ds, 1, block->lanes, x->patches, x->D};
    CS_TYPED(cs_result) result = {out, x->D, NULL, add ? out : NULL, x->D, 0};
    CS_TYPED(cs_product)(block->count, x->D, 1, &term, &result);
}

static void
dpatches(const CS_TYPED(cs_sample) *x, int through_weights, const cs_real *dc,
         CS_TYPED(cs_result) result)
{
    size_t D = x->D;
    for (size_t first = 0; first < x->L;) {
        CS_TYPED(cs_term) term[CS_MOST_TERMS];
        size_t terms = 0;
        do {
            CS_TYPED(cs_block) block = CS_TYPED(cs_sample_block)(x, first);
            term[terms++] = (CS_TYPED(cs_term)){block.count, block.weights, block.lanes, 1,
                                                dc + first * D, D};
            if (through_weights)
                term[terms++] = (CS_TYPED(cs_term)){
                    block.count, block.ds, block.lanes, 1,
                    CS_TYPED(cs_sample_tokens)(x, first, block.count), D};
            first += x->width;
        } while (first < x->L && x->tokens_in_place && terms + 2 <= CS_MOST_TERMS);
        CS_TYPED(cs_product)(x->P, D, terms, term, &result);
        result.e = NULL;
        result.rows = result.c;
        result.rows_row = D;
    }
}

const struct CS_TYPED(cs_sample_products) CS_TYPED(cs_exact_products) = {
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
