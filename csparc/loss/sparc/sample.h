/* One image and its caption: similarities, alignment weights, and the way back. What sparc.c and
 * align.c share; equations 2 to 4 of the paper.
 *
 *   s[p,k] = v_p . t_k        of raw vectors, or of unit vectors (options.cosine)
 *   a[p,k] = weights of token k over the patches; each column sums to 1
 *
 * Everything is [P, lanes]: one valid token a lane, one valid patch a row. Padding is never
 * computed: valid rows are read in place where they are the first ones, else packed.
 *
 * Range: the local loss does not change when a token, or all patches together, are scaled. When a
 * product leaves the type's range the sample is packed again, scaled by powers of two
 * (cs_sample_open with `rescale`), and gradients are scaled back as they are stored. Vectors 1e12
 * times shorter than the longest patch then count as dead; nothing else is lost, and samples that
 * stay in range do not pay for it.
 */
#ifndef CS_SPARC_SAMPLE_H
#define CS_SPARC_SAMPLE_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "loss/kernels/sparc.h"

typedef enum { CS_MINMAX_SPARSE, CS_MINMAX, CS_SOFTMAX } cs_normalizer;

/* Options of the alignment, as csparc.sparc_loss names them. */
typedef struct {
    cs_normalizer normalizer;
    int cosine;           /* similarity of unit vectors */
    int uniform;          /* degenerate rows: 1/P each (1) or 0 (0) */
    double sigma;         /* threshold; negative: one over the number of valid patches */
    double softmax_scale; /* softmax only */
} cs_align_options;

/* Where the rows of one sample lie: x [count, D] of which `valid` (NULL: all) take part. */
typedef struct {
    size_t count;         /* rows, valid or not */
    const uint8_t *valid; /* [count] or NULL */
} cs_row_set;

/* State of a sample. Tokens are taken in blocks of equal width, at most CS_BLOCK, so that what is
 * needed of all D at once stays small: matrices of P rows are a block [P,width] after the other. */
enum { CS_BLOCK = 64 };

typedef struct {
    const cs_align_options *options;
    cs_row_set patch_rows, token_rows;
    size_t P, L, D;     /* valid patches, valid tokens, shared width */
    size_t lanes, width; /* L rounded up; lanes of every block but the last, which may have fewer */
    const struct CS_TYPED(cs_sample_products) *products; /* loss/sparc/products.h */
    struct cs_rounded *rounded;   /* their operands, where they are rounded */
    const uint16_t *patch_bits;   /* the caller's patches in bfloat16, where rounded products */
                                  /*   need no others; NULL elsewhere */
    const cs_real *patches;       /* [P,D] valid patches, scaled by patch_scale */
    const cs_real *caller_tokens; /* read through cs_sample_tokens */
    int rescaled;
    cs_real patch_scale;
    cs_real *token_scale;   /* [lanes] */
    cs_real *patch_inverse; /* [P] 1/|v|, 0 for a dead one; only for unit vectors */
    cs_real *token_inverse; /* [lanes] 1/|t|, 0 for a dead one and past the last */
    cs_real *transposed;    /* [D,width] tokens^T of a block, zeros past the last; free to reuse */
    cs_real *weights;       /* [P,lanes] */
    cs_real *ds;            /* [P,width + lanes]; from column `width` on it is s until a block's */
    cs_real *s;             /*   ds takes the place of the s before it */
    cs_real *patch_pull;    /* [P] coefficient of v_p in its own gradient (unit vectors) */
    cs_real *token_pull;    /* [lanes] the same of t_k */
    CS_TYPED(cs_lane_state) state;
    /* The caller's rows serve, for gradients too: the valid ones follow each other. */
    int patches_in_place, tokens_in_place;
    size_t first_patch, first_token; /* where they start */
    cs_real *packed_patches; /* [P,D] used where they do not: may be where dV will go */
    cs_real *packed_tokens;  /* [width,D] likewise, one block at a time */
} CS_TYPED(cs_sample);

/* Tokens first .. first + count of those that are valid. */
typedef struct {
    size_t first, count, lanes; /* lanes: count rounded up */
    cs_real *s;                 /* [P,lanes] */
    cs_real *weights;           /* [P,lanes] */
    cs_real *ds; /* [P,lanes] dL/da, written by the caller before cs_sample_backward, which leaves
                    there dL/d(v_p . t_k) */
} CS_TYPED(cs_block);

#define CS_FOR_BLOCKS(first, sample) \
    for (size_t first = 0; first < (sample)->L; first += (sample)->width)

static inline CS_TYPED(cs_block)
CS_TYPED(cs_sample_block)(const CS_TYPED(cs_sample) *sample, size_t first)
{
    size_t width = sample->width, at = sample->P * first;
    CS_TYPED(cs_block) block = {
        .first = first,
        .count = sample->L - first < width ? sample->L - first : width,
        .lanes = sample->lanes - first < width ? sample->lanes - first : width,
        .s = sample->s + at,
        .weights = sample->weights + at,
        .ds = sample->ds + at,
    };
    return block;
}

/* The rows of sample i of an array [B, count, ...]; valid [B, count] or NULL. */
static inline cs_row_set
cs_rows_of_sample(size_t i, size_t count, const uint8_t *valid)
{
    cs_row_set rows = {count, valid == NULL ? NULL : valid + i * count};
    return rows;
}

static inline int
cs_row_is_valid(cs_row_set rows, size_t row)
{
    return rows.valid == NULL || rows.valid[row] != 0;
}

static inline size_t
cs_valid_rows(cs_row_set rows)
{
    size_t count = 0;
    for (size_t row = 0; rows.valid != NULL && row < rows.count; row++)
        count += rows.valid[row] != 0;
    return rows.valid == NULL ? rows.count : count;
}

/* Cut the arrays of a sample of at most P patches and L tokens out of `arena`, and choose exact
 * products. Without `packs_patches` the caller sets packed_patches before cs_sample_open. */
void CS_TYPED(cs_sample_layout)(size_t P, size_t L, size_t D, int packs_patches, cs_arena *arena,
                                CS_TYPED(cs_sample) *sample);

/* Pack, measure lengths, compute s and the weights; the last block stays transposed. Needs P >= 1
 * and L >= 1 valid rows. Returns 0 when the type's range was left and `rescale` may help. */
int CS_TYPED(cs_sample_open)(size_t D, const cs_align_options *options, cs_row_set patch_rows,
                             const cs_real *patches, cs_row_set token_rows, const cs_real *tokens,
                             int rescale, CS_TYPED(cs_sample) *sample);

/* Part of opening, sizes and options set: lengths, and patches packed where they must be. */
int CS_TYPED(cs_sample_pack)(CS_TYPED(cs_sample) *sample, const cs_real *patches,
                             const cs_real *tokens, int rescale);

/* Valid tokens first .. first + count [count,D], token k scaled by token_scale[k], until the next
 * call. At most cs_sample_reach at once. */
const cs_real *CS_TYPED(cs_sample_tokens)(const CS_TYPED(cs_sample) *sample, size_t first,
                                          size_t count);

static inline size_t
CS_TYPED(cs_sample_reach)(const CS_TYPED(cs_sample) *sample)
{
    return sample->tokens_in_place ? sample->L : sample->width;
}

/* From dL/da in block->ds to ds and the pulls, blocks in order. Returns the block's part of
 * dL/d softmax_scale (0 unless softmax). */
double CS_TYPED(cs_sample_backward)(CS_TYPED(cs_sample) *sample, const CS_TYPED(cs_block) *block);

/* dT = ds^T V + pull t of the block's rows, or that added to dT. */
void CS_TYPED(cs_sample_token_gradient)(const CS_TYPED(cs_sample) *sample,
                                        const CS_TYPED(cs_block) *block, int add,
                                        cs_real *dtokens);

/* Number of (token, patch) pairs kept. */
int64_t CS_TYPED(cs_sample_kept)(const CS_TYPED(cs_sample) *sample);

/* weights [token_rows.count, patch_rows.count] of the caller, 0 where either is not valid. */
void CS_TYPED(cs_sample_store_weights)(const CS_TYPED(cs_sample) *sample, cs_real *weights);

/* Where to form the gradient of the valid patches (tokens), one row after the other, within the
 * caller's array. For patches it may be the memory of `patches` itself: form that gradient last. */
cs_real *CS_TYPED(cs_sample_patch_target)(const CS_TYPED(cs_sample) *sample, cs_real *dpatches);
cs_real *CS_TYPED(cs_sample_token_target)(const CS_TYPED(cs_sample) *sample, cs_real *dtokens);

/* Finish the caller's rows: spread what was formed there, undo the scaling, add `bias`
 * [D] (or NULL) to every valid row. Rows that are not valid become 0, or `bias` with
 * `bias_everywhere`. */
void CS_TYPED(cs_sample_store_patches)(const CS_TYPED(cs_sample) *sample, const cs_real *bias,
                                       cs_real *dpatches);
void CS_TYPED(cs_sample_store_tokens)(const CS_TYPED(cs_sample) *sample, const cs_real *bias,
                                      int bias_everywhere, cs_real *dtokens);

/* The same for a sample that is skipped: nothing but the bias. */
void CS_TYPED(cs_sample_store_bias)(size_t D, cs_row_set rows, const cs_real *bias,
                                    int bias_everywhere, cs_real *dx);

#endif
