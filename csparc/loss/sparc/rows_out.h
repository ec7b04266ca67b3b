/* From the valid rows of a sample, which follow each other, back to the caller's arrays, in which
 * rows that are not valid lie between them. */
#ifndef CS_SPARC_ROWS_OUT_H
#define CS_SPARC_ROWS_OUT_H

#include "base/real.h"
#include "csparc.h"
#include "loss/sparc/products.h"
#include "loss/sparc/rows_in.h"

/* weights [token_rows.count, patch_rows.count] of the caller, 0 where either is not valid. */
void CS_TYPED(cs_store_weights)(const CS_TYPED(cs_sample_operands) *x, cs_real *weights);

/* Where to form the gradient of the valid patches (tokens), one row after the other, within the
 * caller's array. For patches it may be the memory of `patches` itself: form that gradient last. */
cs_real *CS_TYPED(cs_patch_target)(const CS_TYPED(cs_sample_rows) *rows, cs_real *dpatches);
cs_real *CS_TYPED(cs_token_target)(const CS_TYPED(cs_sample_rows) *rows, cs_real *dtokens);

/* Finish the caller's rows: move what was formed there to its place, undo the scaling of rows_in.h,
 * add `bias` [D] (or NULL) to every valid row. Rows that are not valid become 0, or `bias` with
 * `bias_everywhere`. */
void CS_TYPED(cs_store_patches)(const CS_TYPED(cs_sample_rows) *rows, const cs_real *bias,
                                cs_real *dpatches);
void CS_TYPED(cs_store_tokens)(const CS_TYPED(cs_sample_rows) *rows, const cs_real *bias,
                               int bias_everywhere, cs_real *dtokens);

/* The same for a sample that is skipped: nothing but the bias. */
void CS_TYPED(cs_store_bias)(size_t D, cs_row_set rows, const cs_real *bias, int bias_everywhere,
                             cs_real *dx);

#endif
