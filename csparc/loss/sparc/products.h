/* The products of the local loss of one sample, and on which operands they run.
 *
 *   project    out [P,lanes] = V X^T        X: the tokens or the gradient of c, one block
 *   gather     c [count,D] = a' V           one block
 *   match      U [L,lanes] = c T^T          columns of one block, T transposed before
 *   dtokens    dT [L,D] = dU' c + pull t    dgrouped   c [L,D] <- dU T + pull c
 *   dtokens_through_weights                 dT [count,D] = [dT +] ds' V, one block
 *   dpatches   dV [P,D] = a dc [+ ds T] + what result adds
 *
 * Two tables. Exact: operands are read where they lie (la/tiles.h). Rounded, float only: operands
 * are rounded to bfloat16 in the two forms of la/bf16_product.h, each when it is first needed, and what
 * later products need of it is kept. Sums, and what is added to them, stay float in both.
 */
#ifndef CS_SPARC_PRODUCTS_H
#define CS_SPARC_PRODUCTS_H

#include "base/arena.h"
#include "la/bf16_product.h"
#include "la/tiles.h"
#include "loss/sparc/sample.h"

/* Terms of one product at most. */
enum { CS_MOST_TERMS = 16 };

struct CS_TYPED(cs_sample_products) {
    /* Patches are in place or packed, tokens can be read. */
    void (*open)(const CS_TYPED(cs_sample) *x);
    void (*transpose_tokens)(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block);
    void (*transpose_grouped)(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block,
                              const cs_real *dc);
    void (*project)(const CS_TYPED(cs_sample) *x, size_t lanes, cs_real *out);
    void (*gather)(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block, cs_real *c);
    void (*match)(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block, const cs_real *c,
                  cs_real *logits);
    void (*dtokens)(const CS_TYPED(cs_sample) *x, const cs_real *dlogits, const cs_real *c,
                    const cs_real *pull, cs_real *dtokens);
    void (*dgrouped)(const CS_TYPED(cs_sample) *x, const cs_real *dlogits, const cs_real *pull,
                     cs_real *c);
    void (*dtokens_through_weights)(const CS_TYPED(cs_sample) *x, const CS_TYPED(cs_block) *block,
                                    int add, cs_real *dtokens);
    void (*dpatches)(const CS_TYPED(cs_sample) *x, int through_weights, const cs_real *dc,
                     CS_TYPED(cs_result) result);
};

extern const struct CS_TYPED(cs_sample_products) CS_TYPED(cs_exact_products);

/* Rounded operands of a sample. Matrices of P rows are one block after the other. */
struct cs_rounded {
    const cs_bf16x2 *patches;     /* rows [P,D]: the caller's, or patch_rows */
    cs_bf16x2 *patch_rows, *patch_stack;
    cs_bf16x2 *token_stack;       /* [L,D] */
    cs_bf16x2 *grouped_rows;      /* [L,D] c */
    cs_bf16x2 *grouped_stack;     /* [L,D] c, then dc */
    cs_bf16x2 *block_rows;        /* [width,D] of what is to be transposed */
    cs_bf16x2 *transposed;        /* [D,width] */
    cs_bf16x2 *weights, *ds;      /* rows [P,lanes] */
    cs_bf16x2 *dlogits;           /* rows [L,lanes] */
    cs_bf16x2 *stack;             /* of the small matrix in use: weights, dU, ds */
};

extern const struct cs_sample_products_f32 cs_rounded_products_f32;

/* Cut the arrays for at most P patches and L tokens out of `arena`. */
void cs_rounded_layout(size_t P, size_t L, size_t D, cs_arena *arena, struct cs_rounded *rounded);

#endif
