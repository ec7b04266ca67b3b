#include "loss/sparc/token_contrast.h"

#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"

enum { LINE = 64 / sizeof(cs_real) };

void
CS_TYPED(cs_grouped_layout)(size_t L, size_t D, cs_arena *arena, CS_TYPED(cs_grouped) *w)
{
    size_t lanes = cs_whole_lanes(L);
    cs_real **vectors[] = {&w->scale,        &w->inverse,    &w->radial,
                           &w->token_radial, &w->row_factor, &w->dmatching};
    w->memory = CS_TAKE(arena, cs_real, cs_size_plus(CS_SIZE(L, D), LINE));
    w->logits = CS_TAKE(arena, cs_real, L, lanes);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        *vectors[i] = CS_TAKE(arena, cs_real, lanes);
    CS_TYPED(cs_square_layout)(lanes, arena, &w->square);
}

/* Bring row c of a rescaled sample from `length` to [1/2, 1). Returns the power of two used. */
static cs_real
to_unit_size(size_t D, cs_real length, cs_real *c)
{
    int exponent = 0;
    if (!(length > 0 && length <= CS_REAL_MAX))
        return 1;
    (void)frexp(length, &exponent);
    cs_real scale = ldexp((cs_real)1, -exponent);
    CS_TYPED(cs_rows)()->scale_add(D, scale, c, 0, c);
    return scale;
}

int
CS_TYPED(cs_gather_patches)(const CS_TYPED(cs_sample) *sample, CS_TYPED(cs_grouped) *w)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_sample_operands) *x = &sample->operands;
    size_t D = x->rows.D;
    cs_real dead = CS_TYPED(cs_dead_patch)(&x->rows);
    int fits = 1;
    /* As far from the start of a cache line as the tokens, whose rows enter the same products. */
    w->rows = w->memory + (uintptr_t)x->rows.caller_tokens / sizeof(cs_real) % LINE;
    CS_FOR_BLOCKS(first, &x->rows) {
        CS_TYPED(cs_token_block) block = CS_TYPED(cs_sample_block)(x, first);
        sample->products->gather(x, &block, w->rows + first * D);
    }
    for (size_t j = 0; j < x->rows.L; j++) {
        cs_real length = cs_norm(kernels, D, w->rows + j * D);
        fits &= length <= CS_LARGE_NORM;
        int live = !(length <= dead);
        w->scale[j] = sample->rescaled && live ? to_unit_size(D, length, w->rows + j * D) : 1;
        w->inverse[j] = live ? 1 / (length * w->scale[j]) : 0;
    }
    return fits;
}

double
CS_TYPED(cs_token_contrast)(const CS_TYPED(cs_sample) *sample, cs_real logit_scale,
                            CS_TYPED(cs_grouped) *w)
{
    const CS_TYPED(cs_sample_rows) *rows = &sample->operands.rows;
    sample->products->match(&sample->operands, w->rows, w->logits);
    for (size_t j = 0; j < rows->L; j++)
        w->row_factor[j] = logit_scale * w->inverse[j];
    CS_TYPED(cs_logit_kernels_in_use)()->scale_outer(rows->L, rows->lanes, w->row_factor,
                                                     rows->token_inverse, w->logits);
    return CS_TYPED(cs_square_loss)(rows->L, rows->lanes, w->logits, &w->square);
}

/* logits = G logit_scale / (|c_j| |t_k|), the radial coefficients of c and t, and as result
 * sum G o U, which is logit_scale dL/dlogit_scale. */
static double
logits_gradient(const CS_TYPED(cs_sample_rows) *rows, cs_real weight, CS_TYPED(cs_grouped) *w)
{
    const CS_TYPED(cs_square) *square = &w->square;
    double total = 0;
    for (size_t j = 0; j < rows->L; j++)
        w->dmatching[j] = -weight * (square->rows.share[j] + square->columns.share[j]);
    CS_TYPED(cs_matching) matching = {
        .matching = square->matching,
        .dmatching = w->dmatching,
        .row_lse = square->rows.lse,
        .column_lse = square->columns.lse,
        .row_factor = w->row_factor,
        .column_factor = rows->token_inverse,
        .u = w->logits,
        .row_along = w->radial, /* until they are scaled below */
        .column_along = w->token_radial,
    };
    CS_TYPED(cs_logit_kernels_in_use)()->matching_gradient(rows->L, rows->lanes, weight, &matching);
    for (size_t j = 0; j < rows->L; j++) {
        total += (double)w->radial[j];
        w->radial[j] *= -w->inverse[j] * w->inverse[j];
    }
    for (size_t k = 0; k < rows->lanes; k++)
        w->token_radial[k] *= -rows->token_inverse[k] * rows->token_inverse[k];
    return total;
}

double
CS_TYPED(cs_token_contrast_backward)(const CS_TYPED(cs_sample) *sample, cs_real weight,
                                     cs_real *dtokens, CS_TYPED(cs_grouped) *w)
{
    double total = logits_gradient(&sample->operands.rows, weight, w);
    sample->products->contrast_backward(&sample->operands, w->logits, w->token_radial, w->radial,
                                        dtokens, w->rows);
    for (size_t j = 0; sample->rescaled && j < sample->operands.rows.L; j++) {
        cs_real *dc = w->rows + j * sample->operands.rows.D;
        CS_TYPED(cs_rows)()->scale_add(sample->operands.rows.D, w->scale[j], dc, 0, dc);
    }
    return total;
}
