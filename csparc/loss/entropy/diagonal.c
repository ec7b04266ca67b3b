#include "loss/entropy/diagonal.h"

#include "base/real.h"

void
CS_TYPED(cs_square_layout)(size_t lanes, cs_arena *arena, CS_TYPED(cs_square) *s)
{
    s->matching = CS_TAKE(arena, cs_real, lanes);
    CS_TYPED(cs_cross_entropies_layout)(lanes, arena, &s->rows);
    CS_TYPED(cs_cross_entropies_layout)(lanes, arena, &s->columns);
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
    CS_TYPED(cs_log_sums_of_tile)(N, lanes, logits, &s->rows.others, &s->columns.others);
    for (size_t n = 0; n < N; n++) {
        cs_real row = CS_TYPED(cs_cross_entropies_close)(&s->rows, n, s->matching[n]);
        cs_real column = CS_TYPED(cs_cross_entropies_close)(&s->columns, n, s->matching[n]);
        total += (double)row + (double)column;
    }
    for (size_t k = N; k < lanes; k++)
        s->columns.lse[k] = 0;
    return total;
}
