/* The part of the table of loss/kernels/pairs.h, where each function is described, that lives in
 * argmax.c: maxima, and gradients that go to the rows that attained them. Included only by sources
 * that are compiled per instruction set. */
#ifndef CS_KERNEL_ARGMAX_H
#define CS_KERNEL_ARGMAX_H

#include <stddef.h>
#include <stdint.h>

#include "base/isa.h"

void CS_KERNEL(cs_best_rows)(size_t K, size_t lanes, const cs_real *x, cs_real *best,
                             uint16_t *winner);
void CS_KERNEL(cs_raise_bests)(size_t R, size_t C, const cs_real *x, size_t x_row,
                               cs_real *row_best, cs_real *column_best);
void CS_KERNEL(cs_gather_rows)(size_t Q, size_t count, const uint16_t *const *winner,
                               const cs_real *weight, const cs_real *const *rows, cs_real *out);
void CS_KERNEL(cs_scatter_rows)(size_t Q, size_t count, const uint16_t *const *winner,
                                const cs_real *weight, const cs_real *rows, cs_real *const *out);
void CS_KERNEL(cs_take_chunk)(size_t count, const size_t *index, const cs_real *norm, size_t D,
                              const cs_real *x, cs_real *out);
void CS_KERNEL(cs_add_chunk)(size_t count, const size_t *index, size_t D, const cs_real *d,
                             cs_real *dx);

#endif
