#include "loss/clip/extra_texts.h"

#include "base/real.h"
#include "la/rows.h"
#include "loss/kernels/logits.h"
#include "op/l2norm.h"

void
CS_TYPED(cs_extra_texts_layout)(size_t N, size_t D, const cs_real *image, const cs_tiling *batch,
                                long long asked_columns, cs_arena *arena,
                                CS_TYPED(cs_extra_texts) *x)
{
    cs_tiling t = CS_TYPED(cs_score_tiling)(N, 0, asked_columns);
    t.rows = batch->rows;
    x->N = N;
    x->unit = CS_TAKE(arena, cs_real, N, D);
    x->norm = CS_TAKE(arena, cs_real, N);
    CS_TYPED(cs_score_tiles_layout)(N, D, &t, arena, &x->products);
    x->products.image = image;
    x->products.text = x->unit;
}

cs_status
CS_TYPED(cs_extra_texts_open)(const cs_real *extra, cs_real factor, CS_TYPED(cs_extra_texts) *x)
{
    if (x->N == 0)
        return CS_OK;
    CS_TRY(CS_TYPED(cs_l2norm_forward)(x->N, x->products.D, extra, x->unit, x->norm));
    CS_TYPED(cs_score_tiles_open)(&x->products, factor);
    return CS_OK;
}

void
CS_TYPED(cs_extra_texts_absorb)(const CS_TYPED(cs_extra_texts) *x, size_t r0, size_t R,
                                cs_real *tile, const CS_TYPED(cs_log_sums) *of_rows,
                                const CS_TYPED(cs_log_sums) *rows)
{
    size_t columns = x->products.tiling.columns;
    for (size_t c0 = 0; c0 < x->N; c0 += columns) {
        size_t C = cs_least(columns, x->N - c0);
        CS_TYPED(cs_score_tile)(&x->products, r0, R, c0, C, tile);
        CS_TYPED(cs_logit_kernels_in_use)()->row_states(R, C, tile, of_rows->top, of_rows->sum);
        CS_TYPED(cs_log_sums_merge)(R, rows, of_rows);
    }
}

double
CS_TYPED(cs_extra_texts_backward)(CS_TYPED(cs_extra_texts) *x, size_t owner, size_t r0, size_t R,
                                  cs_real weight, cs_real origin, const cs_real *lse, cs_real *u,
                                  cs_real *g, cs_real *dextra)
{
    const cs_tiling *t = &x->products.tiling;
    size_t end = cs_end_caption(t, owner, x->N);
    double along = 0;
    for (size_t c0 = cs_first_caption(t, owner); c0 < end; c0 += t->columns) {
        size_t C = cs_least(t->columns, end - c0);
        CS_TYPED(cs_score_tile)(&x->products, r0, R, c0, C, u);
        CS_TYPED(cs_logit_kernels_in_use)()->row_gradient(R, C, weight, u, lse, g);
        for (size_t k = 0; origin != 0 && k < R * C; k++)
            u[k] -= origin;
        for (size_t r = 0; r < R; r++)
            along += (double)CS_TYPED(cs_rows)()->dot(C, g + r * C, u + r * C);
        CS_TYPED(cs_score_tile_gradients)(&x->products, owner, r0, R, c0, C, g, dextra);
    }
    return along;
}

cs_status
CS_TYPED(cs_extra_texts_close)(const CS_TYPED(cs_extra_texts) *x, cs_real *dextra)
{
    if (x->N == 0 || dextra == NULL)
        return CS_OK;
    return CS_TYPED(cs_l2norm_backward)(x->N, x->products.D, x->unit, x->norm, dextra, dextra);
}
