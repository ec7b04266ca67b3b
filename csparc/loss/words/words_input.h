/* What a call of the word contrast is given; loss/words/word_contrast.h says what each array is. */
#ifndef CS_WORDS_WORDS_INPUT_H
#define CS_WORDS_WORDS_INPUT_H

#include <string.h>

#include "base/real.h"
#include "csparc.h"
#include "la/bf16_product.h"
#include "loss/entropy/same_group.h"
#include "loss/words/distinct_words.h"

typedef struct {
    size_t B, P, L, D, W, rows; /* rows: of all sets */
    size_t samples, set_rows;   /* most of one set */
    int masked, bits;           /* whether patch_valid, whether patch_bits is given */
    int rounded;                /* whether operands of products are rounded to bfloat16 */
} cs_words_shape;

typedef struct {
    const cs_real *patches, *tokens;
    const uint16_t *patch_bits, *token_bits; /* bfloat16, where these are NULL */
    const uint8_t *patch_valid, *lacks;
    const int64_t *word, *row, *first, *row_start;
    cs_groups groups;
    cs_sets sets;
} CS_TYPED(cs_words_input);

/* Where gradients go: `weight` times them, written or with `add` added. */
typedef struct {
    double weight;
    int add;
    cs_real *dpatches, *dtokens; /* (B,P,D), (B,L,D), or both NULL */
} CS_TYPED(cs_words_gradients);

/* out [D] = row n of x, or of its bits. */
static inline void
CS_TYPED(cs_take_row)(size_t D, const cs_real *x, const uint16_t *bits, size_t n, cs_real *out)
{
#ifndef CS_FLOAT64
    if (bits != NULL) {
        cs_floats_of_bf16(D, bits + n * D, out);
        return;
    }
#endif
    (void)bits;
    memcpy(out, x + n * D, D * sizeof(cs_real));
}

/* CS_OK where patches and tokens are given once each, bfloat16 in float only, the sets cut the
 * samples, the rows are those of the sets, as numbered by loss/words/distinct_words.h, and no word
 * is beyond W. seen [B] is scratch. */
cs_status CS_TYPED(cs_words_check)(const cs_words_shape *shape, const CS_TYPED(cs_words_input) *in,
                                   uint8_t *seen);

#endif
