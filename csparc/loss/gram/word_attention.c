#include "loss/gram/word_attention.h"

#include "base/real.h"
#include "la/multiply.h"
#include "loss/kernels/pairs.h"
#include "loss/kernels/widths.h"

enum { MATRICES = 4, WORD_ARRAYS = 9 };

size_t
CS_TYPED(cs_word_tile_layout)(size_t patches, size_t D, size_t most_words, size_t most_samples,
                              cs_arena *arena, CS_TYPED(cs_word_tile) *t)
{
    size_t before = arena->used;
    cs_real **matrices[MATRICES] = {&t->x, &t->first, &t->a, &t->ga};
    cs_real **arrays[WORD_ARRAYS] = {&t->length, &t->factor,  &t->y,     &t->norm, &t->cosine,
                                     &t->e,      &t->twice_f, &t->along, &t->lane};
    most_words = cs_whole_lanes(most_words);
    t->D = D;
    t->start = CS_TAKE(arena, size_t, most_samples + 1);
    t->words = CS_TAKE(arena, cs_real, most_words, D);
    t->columns = CS_TAKE(arena, cs_real, most_words, D);
    t->dwords = CS_TAKE(arena, cs_real, most_words, D);
    t->across = CS_TAKE(arena, cs_real, cs_whole_lanes(patches), most_words);
    for (size_t i = 0; i < MATRICES; i++)
        *matrices[i] = CS_TAKE(arena, cs_real, patches, most_words);
    for (size_t i = 0; i < WORD_ARRAYS; i++)
        *arrays[i] = CS_TAKE(arena, cs_real, most_words);
    t->sums = CS_TAKE(arena, cs_real, CS_SUMS_AT_ONCE, D);
    t->z = CS_TAKE(arena, cs_real, most_samples);
    t->dz = CS_TAKE(arena, cs_real, most_samples);
    return arena->used - before;
}

/* The length a word's x is multiplied by. A dead word has x = 0 whatever its length; with 1 it
 * still receives a gradient, because with words_first its similarities, all 0, take their share of
 * the softmax over the words. */
static cs_real
length_of(const CS_TYPED(cs_word_tile) *t, size_t r)
{
    return t->length[r] == 0 ? 1 : t->length[r];
}

/* Attention weights from x. */
static void
attend(int exponent, const cs_word_options *options, CS_TYPED(cs_word_tile) *t)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    size_t words = t->start[t->samples], lanes = cs_whole_lanes(words);
    cs_real scale = (cs_real)options->attention_scale, *lane_scale = t->lane;
    /* A larger factor changes no softmax, which is one-hot; with this one products stay finite. */
    cs_real most = CS_REAL_MAX / (4 * (cs_real)t->D * fmax(scale, 1));
    for (size_t r = 0; r < words; r++)
        t->factor[r] = fmin(ldexp(length_of(t, r) / sqrt((cs_real)t->D), exponent), most);
    for (size_t r = words; r < lanes; r++)
        t->factor[r] = 0;
    if (options->words_first)
        kernels->segment_softmax(t->P, lanes, t->samples, t->start, t->factor, t->x, t->first);
    for (size_t r = 0; r < lanes; r++)
        lane_scale[r] = options->words_first ? scale : scale * t->factor[r];
    kernels->lane_softmax(t->P, lanes, lane_scale, options->words_first ? t->first : t->x, t->a,
                          t->e, t->twice_f);
}

/* z of one caption from its words' cosines. */
static cs_real
pool_words(size_t count, const cs_real *cosine, const cs_word_options *options)
{
    cs_real scale = (cs_real)options->pool_scale, top = -INFINITY, sum = 0;
    if (count == 0)
        return 0;
    for (size_t r = 0; r < count; r++)
        top = !(scale * cosine[r] <= top) ? scale * cosine[r] : top;
    for (size_t r = 0; r < count; r++)
        sum += exp(scale * cosine[r] - top);
    cs_real z = top + log(sum) - (options->mean ? log((cs_real)count) : 0);
    return options->divide ? z / scale : z;
}

void
CS_TYPED(cs_word_tile_forward)(const CS_TYPED(cs_image_block) *block, size_t r,
                               const cs_word_options *options, CS_TYPED(cs_word_tile) *t)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    size_t words = t->start[t->samples], lanes = cs_whole_lanes(words), D = t->D;
    size_t P = t->P = block->count[r], row = block->gram_row;
    cs_real dead = CS_TYPED(cs_image_block_dead)(block, r);
    cs_multiply(P, lanes, D, block->rows + r * block->P * D, D, 1, t->columns, lanes, 0, t->x,
                lanes);
    attend(block->exponent[r], options, t);
    cs_multiply(P, lanes, P, block->gram + r * block->P * row, row, 1, t->a, lanes, 0, t->ga,
                lanes);
    kernels->lane_dots(P, lanes, t->a, t->x, t->y);
    kernels->lane_dots(P, lanes, t->a, t->ga, t->norm);
    for (size_t k = 0; k < words; k++) {
        /* A vector is at least as long as its part along the word, which rounding must not undo. */
        cs_real least = t->y[k] * t->y[k];
        t->norm[k] = sqrt(t->norm[k] < least ? least : t->norm[k]);
    }
    CS_TYPED(cs_short_sums)(block, r, words, lanes, 1, t->a, t->words, t->y, t->norm, t->sums);
    for (size_t k = 0; k < words; k++) {
        cs_real norm = t->norm[k];
        t->norm[k] = norm <= dead ? 0 : norm;
        t->cosine[k] = norm <= dead ? 0 : t->y[k] / norm;
    }
    for (size_t s = 0; s < t->samples; s++)
        t->z[s] = pool_words(t->start[s + 1] - t->start[s], t->cosine + t->start[s], options);
}

/* What e and 2f may be for sums of D products with them to stay in range. */
static cs_real
most_gradient(const CS_TYPED(cs_word_tile) *t)
{
    return CS_REAL_MAX / 1024 / (cs_real)t->D;
}

/* From dz of one caption to e and 2f of its words. */
static void
pool_words_backward(size_t s, const cs_word_options *options, CS_TYPED(cs_word_tile) *t)
{
    size_t begin = t->start[s], count = t->start[s + 1] - begin;
    cs_real scale = (cs_real)options->pool_scale, mean = 0, most = most_gradient(t);
    cs_real log_sum = options->divide ? t->z[s] * scale : t->z[s];
    if (options->mean && count > 0)
        log_sum += log((cs_real)count);
    for (size_t r = begin; r < begin + count; r++) {
        cs_real share = exp(scale * t->cosine[r] - log_sum), norm = t->norm[r];
        cs_real dcosine = t->dz[s] * share * (options->divide ? 1 : scale);
        mean += share * t->cosine[r];
        t->e[r] = norm == 0 || t->length[r] == 0 ? 0 : cs_within(most, dcosine / norm);
        t->twice_f[r] =
            norm == 0 ? 0 : cs_within(most, -dcosine * t->cosine[r] / (norm * norm));
        t->along[r] += dcosine * t->cosine[r];
    }
    if (options->divide)
        mean = (mean - (t->z[s] - t->origin)) / scale;
    t->dpool += (double)(t->dz[s] * mean);
}

/* du [P,lanes], which the factor of its word multiplies and its length divides: where those are
 * steep, within what leaves the products in range. */
static void
keep_in_range(size_t lanes, const CS_TYPED(cs_word_tile) *t, cs_real *du)
{
    for (size_t k = 0; k < t->start[t->samples]; k++) {
        cs_real steepness = fmax(1, t->factor[k]) * fmax(1, 1 / length_of(t, k));
        cs_real most = most_gradient(t) / steepness;
        if (fmax(fabs(t->e[k]), fabs(t->twice_f[k]) * t->norm[k]) * (cs_real)t->D <= most)
            continue;
        for (size_t p = 0; p < t->P; p++)
            du[p * lanes + k] = cs_within(most, du[p * lanes + k]);
    }
}

void
CS_TYPED(cs_word_tile_backward)(const CS_TYPED(cs_image_block) *block, size_t r, size_t owner,
                                int begins, const cs_word_options *options,
                                CS_TYPED(cs_word_tile) *t)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    size_t words = t->start[t->samples], lanes = cs_whole_lanes(words), P = t->P, D = t->D;
    cs_real scale = (cs_real)options->attention_scale;
    double dattention = 0;
    for (size_t s = 0; s < t->samples; s++)
        pool_words_backward(s, options, t);
    for (size_t k = words; k < lanes; k++)
        t->e[k] = t->twice_f[k] = 0;
    kernels->lane_softmax_backward(P, lanes, t->e, t->twice_f, t->x, t->a, t->ga);
    kernels->lane_dots(P, lanes, t->ga, options->words_first ? t->first : t->x, t->lane);
    for (size_t k = 0; k < words; k++)
        dattention += (double)(t->lane[k] * (options->words_first ? 1 : t->factor[k]));
    t->dattention += dattention;
    if (options->words_first)
        kernels->segment_softmax_backward(P, lanes, t->samples, t->start, t->first, t->ga);
    for (size_t k = 0; k < words; k++)
        t->factor[k] *= scale;
    keep_in_range(lanes, t, t->ga);
    kernels->combine_lanes(P, lanes, t->e, t->factor, t->twice_f, t->a, t->x, t->ga);
    cs_multiply(words, D, P, t->ga, 1, lanes, block->rows + r * block->P * D, D, 1, t->dwords, D);
    cs_multiply(P, D, words, t->ga, lanes, 1, t->words, D, !begins,
                CS_TYPED(cs_image_block_drows)(block, owner, r), D);
    CS_TYPED(cs_transpose)(P, lanes, block->gram_row, t->a, lanes, t->across);
    CS_TYPED(cs_image_block_add_gram)(block, owner, r, begins, words, t->x, lanes, t->across);
}
