/* The rows of one sample, an image and its caption, as the products of the local loss read them:
 * the valid patches V [P,D] and the valid tokens T [L,D], their lengths, and their cut into blocks.
 *
 * Valid rows are read where the caller has them if they follow each other; else patches are packed
 * once and tokens a block at a time. Nothing is computed of the others.
 *
 * Range: the local loss does not change when a token, or all patches together, are scaled. With
 * `rescale`, for samples whose products would leave the type's range, rows are packed scaled by
 * powers of two (patch_scale, token_scale): tokens to lengths of about 1, patches so that the
 * largest entry is about 4e6. What counts as dead is scaled alike. In float, vectors 1e24 times
 * shorter than the longest patch then count as dead, too; nothing else is lost.
 */
#ifndef CS_SPARC_ROWS_IN_H
#define CS_SPARC_ROWS_IN_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"
#include "la/norm.h"
#include "loss/kernels/widths.h"

/* Which rows of an array x [count, D] take part. */
typedef struct {
    size_t count;         /* rows, valid or not */
    const uint8_t *valid; /* [count], or NULL: all are valid */
} cs_row_set;

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

/* Tokens are taken in blocks of equal width, at most this, so that what is needed of all D at once
 * stays small. */
enum { CS_TOKEN_BLOCK = 64 };

typedef struct {
    cs_row_set patch_rows, token_rows;
    size_t P, L, D; /* valid patches, valid tokens, shared width */
    size_t lanes;   /* L rounded up to whole lanes */
    size_t width;   /* lanes of every block of tokens but the last, which may have fewer */
    /* Whether the valid rows follow each other, so that the caller's serve; the first of them. */
    int patches_in_place, tokens_in_place;
    size_t first_patch, first_token;
    /* The caller's patches, if they came in bfloat16 and only products on bfloat16 read them, else
     * NULL. */
    const uint16_t *patch_bits;
    const cs_real *patches;       /* [P,D] valid patches, scaled by patch_scale */
    const cs_real *caller_tokens; /* all of them; cs_sample_tokens gives the valid ones */
    cs_real patch_scale;
    cs_real *token_scale;    /* [lanes] */
    cs_real *patch_inverse;  /* [P] 1/|v| as scaled, 0 for a dead one; only for unit vectors */
    cs_real *token_inverse;  /* [lanes] 1/|t| likewise, 0 past the last */
    cs_real *packed_patches; /* [P,D] used where they are not in place: may be where dV will go */
    cs_real *packed_tokens;  /* [width,D] likewise, one block at a time */
} CS_TYPED(cs_sample_rows);

/* Cut the arrays of a sample of at most P patches and L tokens out of `arena`. Without
 * `packs_patches` the caller sets packed_patches before opening. Sets patch_bits to NULL. */
void CS_TYPED(cs_sample_rows_layout)(size_t P, size_t L, size_t D, int packs_patches,
                                     cs_arena *arena, CS_TYPED(cs_sample_rows) *rows);

/* Set the sizes, measure lengths, pack patches where they must be. Needs at least one valid row on
 * either side. `unit`: lengths of patches are needed as well. Returns whether products of two rows
 * stay in the type's range. */
int CS_TYPED(cs_sample_rows_open)(size_t D, int unit, cs_row_set patch_rows,
                                  const cs_real *patches, cs_row_set token_rows,
                                  const cs_real *tokens, int rescale,
                                  CS_TYPED(cs_sample_rows) *rows);

/* The length up to which a patch as scaled, or a weighted sum of them, is dead: CS_DEAD_NORM of the
 * caller's, and never so little that the square of its inverse leaves the type's range. */
static inline cs_real
CS_TYPED(cs_dead_patch)(const CS_TYPED(cs_sample_rows) *rows)
{
    return fmax(CS_DEAD_NORM * rows->patch_scale, 16 / sqrt(CS_REAL_MAX));
}

/* Valid tokens first .. first + count [count,D], token k scaled by token_scale[k], until the next
 * call. At most cs_sample_reach at once. */
const cs_real *CS_TYPED(cs_sample_tokens)(const CS_TYPED(cs_sample_rows) *rows, size_t first,
                                          size_t count);

static inline size_t
CS_TYPED(cs_sample_reach)(const CS_TYPED(cs_sample_rows) *rows)
{
    return rows->tokens_in_place ? rows->L : rows->width;
}

#endif
