/* Products of matrices that stay in cache, for losses and layers: operands are read where they lie
 * and results are finished in registers. The general product is la/gemm.h.
 *
 *   c[M,N] = (e_i rows[i,:] +) sum over terms q of a_q[M,K_q] b_q[K_q,N]
 *
 * float: a tile of c, a few rows by a few vectors, is held in registers while k runs; each step
 * reads one row of b and broadcasts one element of every row of a, whose strides may be any. So
 * neither operand is copied: a transposed a has other strides, and only a b whose columns are not
 * contiguous must be transposed first (cs_transpose). Which tile runs follows from N and the
 * instruction set (la/tile_shapes.h; docs/kernels.md has the table). Rows and columns are cut
 * evenly, so that a size one above a tile does not cost a tile more. Every sum starts from `rows`
 * and runs over k in order, whatever the tile, so that a product added to the one before it gives
 * the bits of one product with both terms: bits depend on the instruction set alone. Nothing
 * outside the operands is read or written.
 * double: the same through la/gemm.h.
 *
 * On the calling thread. 2MNK FLOP a term.
 */
#ifndef CS_TILES_H
#define CS_TILES_H

#include <stddef.h>

#include "base/real.h"

/* Strides in elements; the columns of b are contiguous. */
typedef struct {
    size_t K;
    const cs_real *a;
    size_t a_row, a_col;
    const cs_real *b;
    size_t b_row;
} CS_TYPED(cs_term);

enum {
    CS_STREAM = 1,    /* c is not read again soon: write past the caches where alignment allows */
    CS_FETCH = 2,     /* the first a comes from memory: fetch its next rows ahead */
    CS_FETCH_SUMS = 4, /* sums start from c, which has left the near caches: fetch it ahead */
    CS_FETCH_NEXT = 8 /* behind the first b lies that of the next product, as large: fetch it */
};

/* Where a product goes. rows = NULL: sums start at 0; e = NULL: ones. `rows` may be c itself, or
 * one row for all with rows_row = 0. */
typedef struct {
    cs_real *c;
    size_t c_row;
    const cs_real *e, *rows;
    size_t rows_row;
    int hints;
} CS_TYPED(cs_result);

void CS_TYPED(cs_product)(size_t M, size_t N, size_t terms, const CS_TYPED(cs_term) *term,
                          const CS_TYPED(cs_result) *result);

/* Columns of the panels that products with many columns are cut into: a b packed in panels so wide
 * is read in order. */
size_t cs_panel_columns_f32(void);

/* xt[D,M] = transpose of x[N,D], columns N..M zero. Row strides x_row >= D, M. */
void CS_TYPED(cs_transpose)(size_t N, size_t D, size_t M, const cs_real *x, size_t x_row,
                            cs_real *xt);

/* For measuring the float peak of the processor: N times `rounds` rounds of independent vector
 * multiply-adds, spread over the threads. flop [N] is what was done; the caller takes the time. */
void cs_fma_peak(size_t N, size_t rounds, double *flop);

#endif
