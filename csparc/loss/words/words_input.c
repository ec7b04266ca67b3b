#include "loss/words/words_input.h"

#include "base/real.h"

/* The tokens of set s: each that is a word has a row of the set. */
static cs_status
check_tokens(const cs_words_shape *shape, const CS_TYPED(cs_words_input) *in, size_t s)
{
    int64_t begin = in->row_start[s], end = in->row_start[s + 1];
    for (int64_t q = in->sets.start[s]; q < in->sets.start[s + 1]; q++) {
        size_t first = (size_t)in->sets.order[q] * shape->L;
        for (size_t t = first; t < first + shape->L; t++) {
            if (in->word[t] >= (int64_t)shape->W || (in->word[t] < 0) != (in->row[t] < 0))
                return CS_EVALUE;
            if (in->row[t] >= 0 && (in->row[t] < begin || in->row[t] >= end))
                return CS_EVALUE;
        }
    }
    return CS_OK;
}

cs_status
CS_TYPED(cs_words_check)(const cs_words_shape *shape, const CS_TYPED(cs_words_input) *in,
                         uint8_t *seen)
{
    size_t count = in->sets.count, tokens = shape->B * shape->L;
    int halves = in->patch_bits != NULL || in->token_bits != NULL || shape->rounded;
    if ((in->patches == NULL) != (in->patch_bits != NULL) ||
        (in->tokens == NULL) != (in->token_bits != NULL) ||
        (halves && sizeof(cs_real) != sizeof(float)))
        return CS_EVALUE;
    CS_TRY(CS_TYPED(cs_check_sets)(shape->B, &in->sets, seen));
    if (in->row_start[0] != 0 || in->row_start[count] != (int64_t)shape->rows)
        return CS_EVALUE;
    for (size_t s = 0; s < count; s++) {
        int64_t samples = in->sets.start[s + 1] - in->sets.start[s];
        if (in->row_start[s] < 0 || in->row_start[s] > in->row_start[s + 1] ||
            in->row_start[s + 1] > (int64_t)shape->rows)
            return CS_EVALUE;
        if ((size_t)samples > shape->samples ||
            (size_t)(in->row_start[s + 1] - in->row_start[s]) > shape->set_rows)
            return CS_ESHAPE;
        CS_TRY(check_tokens(shape, in, s));
    }
    for (size_t u = 0; u < shape->rows; u++)
        if (in->first[u] < 0 || in->first[u] >= (int64_t)tokens ||
            in->row[in->first[u]] != (int64_t)u)
            return CS_EVALUE;
    return CS_OK;
}
