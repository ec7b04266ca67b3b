#include "loss/grouped.h"

#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"
#include "la/tiles.h"
#include "loss/contrastive.h"

/* Lengths above this: see cs_sample_open's rescale. */
#define LARGE_NORM sqrt(sqrt(CS_REAL_MAX))

enum { LINE = 64 / sizeof(cs_real) };

void
CS_TYPED(cs_grouped_layout)(size_t L, size_t D, cs_arena *arena, CS_TYPED(cs_grouped) *w)
{
    size_t lanes = (L + CS_LANES - 1) / CS_LANES * CS_LANES;
    cs_real **vectors[] = {&w->inverse, &w->pull, &w->token_pull,
                           &w->row_factor, &w->matching, &w->dmatching,
                           &w->row_top, &w->row_sum, &w->row_lse, &w->row_share,
                           &w->column_top, &w->column_sum, &w->column_lse, &w->column_share};
    w->room = cs_arena_take(arena, (L * D + LINE) * sizeof(cs_real));
    w->logits = cs_arena_take(arena, L * lanes * sizeof(cs_real));
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        *vectors[i] = cs_arena_take(arena, lanes * sizeof(cs_real));
}

/* c = a V and 1/|c|. Returns whether the lengths leave room for products. */
int
CS_TYPED(cs_group)(const CS_TYPED(cs_sample) *x, CS_TYPED(cs_grouped) *w)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t D = x->D;
    int fits = 1;
    /* In step with the tokens, whose rows enter the same products (la/tile_loops.h). */
    w->rows = w->room + (uintptr_t)x->caller_tokens / sizeof(cs_real) % LINE;
    CS_FOR_BLOCKS(first, x) {
        CS_TYPED(cs_block) block = CS_TYPED(cs_sample_block)(x, first);
        CS_TYPED(cs_term) term = {x->P, block.weights, 1, block.lanes, x->patches, D};
        CS_TYPED(cs_result) result = {.c = w->rows + first * D, .c_row = D};
        CS_TYPED(cs_product)(block.count, D, 1, &term, &result);
    }
    for (size_t j = 0; j < x->L; j++) {
        cs_real length = cs_norm(kernels, D, w->rows + j * D);
        fits &= length <= LARGE_NORM;
        w->inverse[j] = length <= CS_DEAD_NORM ? 0 : 1 / length;
    }
    return fits;
}

/* U, of unit vectors. */
static void
form_logits(const CS_TYPED(cs_sample) *x, cs_real logit_scale, CS_TYPED(cs_grouped) *w)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    CS_FOR_BLOCKS(first, x) {
        CS_TYPED(cs_block) block = CS_TYPED(cs_sample_block)(x, first);
        CS_TYPED(cs_term) term = {x->D, w->rows, x->D, 1, x->transposed, block.lanes};
        CS_TYPED(cs_result) result = {.c = w->logits + first, .c_row = x->lanes};
        if (x->width < x->L) /* a single block is still transposed */
            CS_TYPED(cs_sample_transpose)(x, &block);
        CS_TYPED(cs_product)(x->L, block.lanes, 1, &term, &result);
    }
    for (size_t j = 0; j < x->L; j++)
        w->row_factor[j] = logit_scale * w->inverse[j];
    kernels->scale_outer(x->L, x->lanes, w->row_factor, x->token_inverse, w->logits);
}

double
CS_TYPED(cs_matching_loss)(const CS_TYPED(cs_sample) *x, cs_real logit_scale,
                           CS_TYPED(cs_grouped) *w)
{
    const CS_TYPED(cs_loss_kernels) *kernels = CS_TYPED(cs_loss_kernels_in_use)();
    size_t L = x->L, lanes = x->lanes;
    double total = 0;
    form_logits(x, logit_scale, w);
    for (size_t j = 0; j < L; j++) {
        cs_real *row = w->logits + j * lanes;
        w->matching[j] = row[j];
        row[j] = CS_MASKED;
        for (size_t k = L; k < lanes; k++)
            row[k] = CS_MASKED;
    }
    kernels->tile_states(L, lanes, w->logits, w->row_top, w->row_sum, w->column_top,
                         w->column_sum);
    for (size_t j = 0; j < L; j++) {
        cs_real own = w->matching[j];
        cs_real row = cs_excess(w->row_top[j], w->row_sum[j], own, &w->row_share[j]);
        cs_real column = cs_excess(w->column_top[j], w->column_sum[j], own, &w->column_share[j]);
        w->row_lse[j] = own + row;
        w->column_lse[j] = own + column;
        total += (double)row + (double)column;
    }
    for (size_t k = L; k < lanes; k++)
        w->column_lse[k] = 0;
    return total;
}

/* logits = G logit_scale / (|c_j| |t_k|), the pulls of c and t, and as result sum G o U, which is
 * logit_scale dL/dlogit_scale. */
static double
logits_gradient(const CS_TYPED(cs_sample) *x, cs_real weight, CS_TYPED(cs_grouped) *w)
{
    double total = 0;
    for (size_t j = 0; j < x->L; j++)
        w->dmatching[j] = -weight * (w->row_share[j] + w->column_share[j]);
    CS_TYPED(cs_matching) matching = {w->matching,   w->dmatching,     w->row_lse,
                                      w->column_lse, w->row_factor,    x->token_inverse,
                                      w->logits,     w->pull, w->token_pull};
    CS_TYPED(cs_loss_kernels_in_use)()->matching_gradient(x->L, x->lanes, weight, &matching);
    for (size_t j = 0; j < x->L; j++) {
        total += (double)w->pull[j];
        w->pull[j] *= -w->inverse[j] * w->inverse[j];
    }
    for (size_t k = 0; k < x->lanes; k++)
        w->token_pull[k] *= -x->token_inverse[k] * x->token_inverse[k];
    return total;
}

/* dT = dU^T c + pull t. */
static void
tokens_from_grouped(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_grouped) *w, cs_real *dtokens)
{
    size_t L = x->L, D = x->D, reach = CS_TYPED(cs_sample_reach)(x);
    for (size_t k = 0; k < L; k += reach) {
        size_t count = L - k < reach ? L - k : reach;
        const cs_real *tokens = CS_TYPED(cs_sample_tokens)(x, k, count);
        CS_TYPED(cs_term) term = {L, w->logits + k, 1, x->lanes, w->rows, D};
        CS_TYPED(cs_result) result = {dtokens + k * D, D, w->token_pull + k, tokens, D, 0};
        CS_TYPED(cs_product)(count, D, 1, &term, &result);
    }
}

/* dc = dU T + pull c, in the place of c. */
static void
grouped_gradient(const CS_TYPED(cs_sample) *x, CS_TYPED(cs_grouped) *w)
{
    size_t L = x->L, D = x->D, reach = CS_TYPED(cs_sample_reach)(x);
    for (size_t k = 0; k < L; k += reach) {
        size_t count = L - k < reach ? L - k : reach;
        const cs_real *tokens = CS_TYPED(cs_sample_tokens)(x, k, count);
        CS_TYPED(cs_term) term = {count, w->logits + k, x->lanes, 1, tokens, D};
        CS_TYPED(cs_result) result = {w->rows, D, k == 0 ? w->pull : NULL, w->rows,
                                      D, 0};
        CS_TYPED(cs_product)(L, D, 1, &term, &result);
    }
}

double
CS_TYPED(cs_matching_backward)(const CS_TYPED(cs_sample) *x, cs_real weight, cs_real *dtokens,
                               CS_TYPED(cs_grouped) *w)
{
    double total = logits_gradient(x, weight, w);
    tokens_from_grouped(x, w, dtokens);
    grouped_gradient(x, w);
    return total;
}
