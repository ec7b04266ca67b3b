/* The products of the local loss of one sample. Two tables run them on different operands.
 *
 * Exact: operands are read where they lie (la/tiles.h). bfloat16, float only: operands are rounded
 * to bfloat16 in the two forms of la/bf16_product.h, each when it is first needed, and what later
 * products need of it is kept. Sums, and what is added to them, stay float in both.
 *
 * Matrices of P rows are stored block of tokens by block of tokens, [P,width] after [P,width].
 *
 * Order of calls for one sample. Each uses what earlier ones have left. Where there is a block, all
 * blocks go in order before the next line, but the lines with a bar are one step for each block:
 *
 *   open
 *   project_tokens       s = V T^T, from which the caller makes the weights a of the block
 *   gather               c = a^T V
 *   match                U = c T^T
 *   contrast_backward    dT = dU^T c + radial t,  c becomes dL/dc
 *   project_grouped    | dL/da = V dc^T, from which the caller makes ds
 *   add_token_gradient | dT += ds^T V
 *   patch_gradient       dV = a dc + ds T + what `result` adds; may overwrite V, so it comes last
 *
 * Without gradients a sample ends after `match`; without a gradient through the weights it skips
 * the lines with a bar.
 */
#ifndef CS_SPARC_PRODUCTS_H
#define CS_SPARC_PRODUCTS_H

#include "base/arena.h"
#include "base/real.h"
#include "la/bf16_product.h"
#include "la/tiles.h"
#include "loss/sparc/rows_in.h"

/* Operands rounded to bfloat16. */
typedef struct {
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
} cs_bf16_operands;

/* What the products of one sample read. */
typedef struct {
    CS_TYPED(cs_sample_rows) rows;
    cs_real *weights;    /* [P,lanes] a */
    cs_real *ds;         /* [P,lanes] dL/da, then dL/ds */
    /* [P,lanes]. It starts one block after ds in the same memory, so that ds of block i takes the
     * place of s of block i - 1, which is needed no more. */
    cs_real *s;
    cs_real *transposed; /* [D,width] rows of a block, transposed, zeros past the last */
    cs_bf16_operands *bf16; /* NULL for exact products */
} CS_TYPED(cs_sample_operands);

/* Tokens first .. first + count of the valid ones, and their columns of the matrices. */
typedef struct {
    size_t first, count, lanes; /* lanes: count rounded up */
    cs_real *s, *weights, *ds;  /* [P,lanes] */
} CS_TYPED(cs_token_block);

#define CS_FOR_BLOCKS(first, rows) \
    for (size_t first = 0; first < (rows)->L; first += (rows)->width)

static inline CS_TYPED(cs_token_block)
CS_TYPED(cs_sample_block)(const CS_TYPED(cs_sample_operands) *x, size_t first)
{
    const CS_TYPED(cs_sample_rows) *rows = &x->rows;
    size_t width = rows->width, at = rows->P * first;
    CS_TYPED(cs_token_block) block = {
        .first = first,
        .count = rows->L - first < width ? rows->L - first : width,
        .lanes = rows->lanes - first < width ? rows->lanes - first : width,
        .s = x->s + at,
        .weights = x->weights + at,
        .ds = x->ds + at,
    };
    return block;
}

typedef struct {
    /* After the rows are open. */
    void (*open)(const CS_TYPED(cs_sample_operands) *x);
    /* block->s [P,lanes] = V T^T */
    void (*project_tokens)(const CS_TYPED(cs_sample_operands) *x,
                           const CS_TYPED(cs_token_block) *block);
    /* c [count,D] = a^T V of one block */
    void (*gather)(const CS_TYPED(cs_sample_operands) *x, const CS_TYPED(cs_token_block) *block,
                   cs_real *c);
    /* logits [L,lanes] = c T^T, c [L,D] */
    void (*match)(const CS_TYPED(cs_sample_operands) *x, const cs_real *c, cs_real *logits);
    /* dtokens [L,D] = dlogits^T c + token_radial t; then c [L,D] = dlogits T + radial c */
    void (*contrast_backward)(const CS_TYPED(cs_sample_operands) *x, const cs_real *dlogits,
                              const cs_real *token_radial, const cs_real *radial, cs_real *dtokens,
                              cs_real *c);
    /* block->ds [P,lanes] = V dc^T */
    void (*project_grouped)(const CS_TYPED(cs_sample_operands) *x,
                            const CS_TYPED(cs_token_block) *block, const cs_real *dc);
    /* dtokens [count,D] of one block = ds^T V, or that added to it */
    void (*add_token_gradient)(const CS_TYPED(cs_sample_operands) *x,
                               const CS_TYPED(cs_token_block) *block, int add, cs_real *dtokens);
    /* result [P,D] = a dc, and ds T with `through_weights`, and what `result` adds */
    void (*patch_gradient)(const CS_TYPED(cs_sample_operands) *x, int through_weights,
                           const cs_real *dc, CS_TYPED(cs_result) result);
} CS_TYPED(cs_sample_products);

extern const CS_TYPED(cs_sample_products) CS_TYPED(cs_sample_products_exact);
#ifndef CS_FLOAT64
extern const cs_sample_products_f32 cs_sample_products_bf16;
#endif

/* Terms of one product at most. */
enum { CS_MOST_TERMS = 16 };

/* Cut the arrays for at most P patches and L tokens out of `arena`. */
void CS_TYPED(cs_sample_operands_layout)(size_t P, size_t L, size_t D, int packs_patches,
                                         cs_arena *arena, CS_TYPED(cs_sample_operands) *x);
void cs_bf16_operands_layout(size_t P, size_t L, size_t D, cs_arena *arena,
                             cs_bf16_operands *operands);

#endif
