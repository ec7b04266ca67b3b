/* Loops over one row of numbers, compiled for every instruction set and reached through a table, so
 * that each set can be forced and tested. Plain loops, which the compiler vectorises.
 *
 * Sums run over fixed lanes in a fixed order: the same bits on the same instruction set, whatever
 * the number of threads; between instruction sets the last bits may differ.
 */
#ifndef CS_ROWS_H
#define CS_ROWS_H

#include <stddef.h>

#include "base/real.h"

typedef struct {
    /* sum_i x_i y_i */
    cs_real (*dot)(size_t n, const cs_real *x, const cs_real *y);
    /* y_i = a x_i + b y_i; with b = 0, y is overwritten whatever it holds */
    void (*scale_add)(size_t n, cs_real a, const cs_real *x, cs_real b, cs_real *y);
    /* y_i += sum_m a x_mi, of M rows of x in order; x [M,n] */
    void (*add_rows)(size_t M, size_t n, cs_real a, const cs_real *x, cs_real *y);
    /* y_i = a (d_i - b x_i); y may be d */
    void (*subtract)(size_t n, cs_real a, const cs_real *d, cs_real b, const cs_real *x,
                     cs_real *y);
} CS_TYPED(cs_row_kernels);

/* The kernels of the instruction set in use. */
const CS_TYPED(cs_row_kernels) *CS_TYPED(cs_rows)(void);

#endif
