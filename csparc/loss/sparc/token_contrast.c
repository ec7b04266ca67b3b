#include "loss/sparc/token_contrast.h"

#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"
#include "loss/sparc/products.h"

/* Lengths above this: see cs_sample_open's rescale. */
#define LARGE_NORM sqrt(sqrt(CS_REAL_MAX))

enum { LINE = 64 / sizeof(cs_real) };

void
CS_TYPED(cs_grouped_layout)(size_t L, size_t D, cs_arena *arena, CS_TYPED(cs_grouped) *w)
{
    size_t lanes = (L + CS_LANES - 1) / CS_LANES * CS_LANES;
    cs_real **vectors[] = {&w->inverse, &w->pull, &w->token_pull,
                           &w->row_factor, &w->dmatching};
    w->room = cs_arena_take(arena, (L * D + LINE) * sizeof(cs_real));
    w->logits = cs_arena_take(arena, L * lanes * sizeof(cs_real));
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        *vectors[i] = cs_arena_take(arena, lanes * sizeof(cs_real));
    CS_TYPED(cs_square_layout)(lanes, arena, &w->square);
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
        x->products->gather(x, &block, w->rows + first * D);
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
        if (x->width < x->L) /* a single block is still transposed */
            x->products->transpose_tokens(x, &block);
        x->products->match(x, &block, w->rows, w->logits);
    }
    for (size_t j = 0; j < x->L; j++)
        w->row_factor[j] = logit_scale * w->inverse[j];
    kernels->scale_outer(x->L, x->lanes, w->row_factor, x->token_inverse, w->logits);
}

double
CS_TYPED(cs_matching_loss)(const CS_TYPED(cs_sample) *x, cs_real logit_scale,
                           CS_TYPED(cs_grouped) *w)
{
    form_logits(x, logit_scale, w);
    return CS_TYPED(cs_square_loss)(x->L, x->lanes, w->logits, &w->square);
}

/* logits = G logit_scale / (|c_j| |t_k|), the pulls of c and t, and as result sum G o U, which is
 * logit_scale dL/dlogit_scale. */
static double
logits_gradient(const CS_TYPED(cs_sample) *x, cs_real weight, CS_TYPED(cs_grouped) *w)
{
    const CS_TYPED(cs_square) *square = &w->square;
    double total = 0;
    for (size_t j = 0; j < x->L; j++)
        w->dmatching[j] = -weight * (square->row_share[j] + square->column_share[j]);
    CS_TYPED(cs_matching) matching = {square->matching,   w->dmatching,  square->row_lse,
                                      square->column_lse, w->row_factor, x->token_inverse,
                                      w->logits,          w->pull,       w->token_pull};
    CS_TYPED(cs_loss_kernels_in_use)()->matching_gradient(x->L, x->lanes, weight, &matching);
    for (size_t j = 0; j < x->L; j++) {
        total += (double)w->pull[j];
        w->pull[j] *= -w->inverse[j] * w->inverse[j];
    }
    for (size_t k = 0; k < x->lanes; k++)
        w->token_pull[k] *= -x->token_inverse[k] * x->token_inverse[k];
    return total;
}

double
CS_TYPED(cs_matching_backward)(const CS_TYPED(cs_sample) *x, cs_real weight, cs_real *dtokens,
                               CS_TYPED(cs_grouped) *w)
{
    double total = logits_gradient(x, weight, w);
    x->products->dtokens(x, w->logits, w->rows, w->token_pull, dtokens);
    x->products->dgrouped(x, w->logits, w->pull, w->rows);
    return total;
}
