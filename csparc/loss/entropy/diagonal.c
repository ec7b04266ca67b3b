#include "loss/entropy/diagonal.h"

#include "base/real.h"
#include "loss/clip/infonce.h"
#include "loss/kernels/sparc.h"

void
CS_TYPED(cs_square_layout)(size_t lanes, cs_arena *arena, CS_TYPED(cs_square) *s)
{
    cs_real **vectors[] = {&s->matching,
                           &s->row_top, &s->row_sum, &s->row_lse, &s->row_share,
                           &s->column_top, &s->column_sum, &s->column_lse, &s->column_share};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        *vectors[i] = cs_arena_take(arena, lanes * sizeof(cs_real));
}

double
CS_TYPED(cs_square_loss)(size_t N, size_t lanes, cs_real *logits, CS_TYPED(cs_square) *s)
{
    double total = 0;
    for (size_t n = 0; n < N; n++) {
        cs_real *row = logits + n * lanes;
        s->matching[n] = row[n];
        row[n] = CS_MASKED;
        for (size_t k = N; k < lanes; k++)
            row[k] = CS_MASKED;
    }
    CS_TYPED(cs_loss_kernels_in_use)()->tile_states(N, lanes, logits, s->row_top, s->row_sum,
                                                    s->column_top, s->column_sum);
    for (size_t n = 0; n < N; n++) {
        cs_real own = s->matching[n];
        cs_real row = cs_excess(s->row_top[n], s->row_sum[n], own, &s->row_share[n]);
        cs_real column = cs_excess(s->column_top[n], s->column_sum[n], own, &s->column_share[n]);
        s->row_lse[n] = own + row;
        s->column_lse[n] = own + column;
        total += (double)row + (double)column;
    }
    for (size_t k = N; k < lanes; k++)
        s->column_lse[k] = 0;
    return total;
}
