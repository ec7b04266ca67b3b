#include "loss/words/word_contrast.h"

#include <string.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/real.h"
#include "la/rows.h"
#include "la/unit_vector.h"
#include "loss/words/contrast.h"
#include "loss/words/pictures.h"
#include "loss/words/products.h"
#include "loss/words/sets.h"

enum { MOST_PATCHES_OF_MAXIMUM = 65535 };

typedef CS_TYPED(cs_words_work) work;

size_t
CS_TYPED(cs_words_scratch)(const cs_words_shape *shape, const cs_word_pool *pool, int gradients,
                           size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)CS_TYPED(cs_words_layout)(shape, pool, gradients, threads, &counter);
    return counter.used;
}

static void
back_through_owner(const work *w, const cs_segment *segment, size_t owner, size_t thread)
{
    CS_TYPED(cs_words_tile) t = CS_TYPED(cs_words_tile_of)(w, thread);
    int touched = 0;
    for (size_t at = w->owner_start[owner]; at < w->owner_start[owner + 1]; at++)
        touched |= CS_TYPED(cs_words_back)(w, segment, w->visit[at], owner, touched, &t);
    for (size_t which = 0; !touched && which <= (size_t)w->shared; which++)
        memset(CS_TYPED(cs_words_sum)(w, owner, which), 0,
               segment->count * w->shape->D * sizeof(cs_real));
}

/* Row u of the segment: the first owner's sums take in all others', and become gradients by the
 * vector from those by its unit vector. */
static void
finish_row(const work *w, const cs_segment *segment, size_t u)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t D = w->shape->D;
    const cs_real *unit = w->rows + u * D;
    cs_real inverse = w->word_inverse[w->contrast.first_row + segment->u0 + u];
    for (size_t which = 0; which <= (size_t)w->shared; which++) {
        cs_real *sum = CS_TYPED(cs_words_sum)(w, 0, which) + u * D;
        for (size_t owner = 1; owner < w->owners; owner++)
            kernels->scale_add(D, 1, CS_TYPED(cs_words_sum)(w, owner, which) + u * D, 1, sum);
        cs_unit_backward_along(kernels, D, inverse, kernels->dot(D, unit, sum), unit, sum, sum);
    }
}

/* To the tokens of caption q whose rows are in the segment. */
static void
finish_caption(const work *w, const cs_segment *segment, size_t q)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_word_contrast) *c = &w->contrast;
    size_t i = CS_TYPED(cs_sample_at)(c, q), D = w->shape->D;
    cs_real outer = c->scale * (cs_real)w->to->weight;
    for (size_t t = i * c->L; t < (i + 1) * c->L; t++) {
        size_t u = (size_t)c->row[t] - c->first_row - segment->u0;
        cs_real *out = w->to->dtokens + t * D;
        if (c->row[t] < 0 || u >= segment->count)
            continue;
        kernels->scale_add(D, w->shared ? outer * c->token_weight[t] : 1,
                           CS_TYPED(cs_words_sum)(w, 0, 0) + u * D, 1, out);
        if (w->shared)
            kernels->scale_add(D, outer, CS_TYPED(cs_words_sum)(w, 0, 1) + u * D, 1, out);
    }
}

static size_t
threads_for(const work *w, size_t pieces, size_t rows)
{
    return cs_threads_for(w->threads, pieces, w->contrast.n * rows * w->shape->P * w->shape->D);
}

static void
score_segment(const work *w, const cs_segment *segment)
{
    size_t n = w->contrast.n;
    CS_TYPED(cs_words_take)(w, segment, 1);
    CS_EACH_DYNAMIC(q, thread, n, threads_for(w, n, segment->count),
                    CS_TYPED(cs_words_score)(w, segment, q, thread));
}

static void
back_through_segment(const work *w, const cs_segment *segment)
{
    size_t n = w->contrast.n, D = w->shape->D;
    CS_TYPED(cs_words_take)(w, segment, 0);
    CS_EACH_DYNAMIC(owner, thread, w->owners, threads_for(w, w->owners, segment->count),
                    back_through_owner(w, segment, owner, thread));
    CS_EACH(u, segment->count,
            cs_threads_for_entries(segment->count, w->owners * segment->count * D),
            finish_row(w, segment, u));
    CS_EACH(q, n, cs_threads_for_entries(n, n * w->shape->L * D), finish_caption(w, segment, q));
}

/* The gradients of a set without words. */
static void
clear_set(const work *w)
{
    size_t entries = w->shape->P * w->shape->D;
    for (size_t q = 0; q < w->contrast.n; q++)
        memset(w->to->dpatches + CS_TYPED(cs_sample_at)(&w->contrast, q) * entries, 0,
               entries * sizeof(cs_real));
}

/* Loss, and with gradients those of the set's rows; adds to dscale. */
static double
contrast_set(work *w, double *dscale)
{
    CS_TYPED(cs_word_contrast) *c = &w->contrast;
    for (size_t u0 = 0; u0 < c->rows; u0 += CS_SEGMENT) {
        cs_segment segment = CS_TYPED(cs_words_segment)(w, u0);
        score_segment(w, &segment);
    }
    double loss = CS_TYPED(cs_word_contrast_close)(c);
    if (!w->gradients)
        return loss;
    if (c->rows == 0 && !w->to->add)
        clear_set(w);
    w->shared = 0;
    for (size_t u = 0; u < c->rows; u++)
        w->shared |= c->tokens[u] > 1;
    memset(w->dscale, 0, c->n * sizeof(double));
    for (size_t u0 = 0; u0 < c->rows; u0 += CS_SEGMENT) {
        cs_segment segment = CS_TYPED(cs_words_segment)(w, u0);
        back_through_segment(w, &segment);
    }
    for (size_t q = 0; q < c->n; q++)
        *dscale += w->dscale[q];
    return loss;
}

cs_status
CS_TYPED(cs_words)(const cs_words_shape *shape, const CS_TYPED(cs_words_input) *in,
                   const cs_word_pool *pool, double logit_scale, double *out,
                   const CS_TYPED(cs_words_gradients) *to, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    int gradients = to->dpatches != NULL && to->dtokens != NULL;
    work w = CS_TYPED(cs_words_layout)(shape, pool, gradients, threads, &arena);
    if (pool->kind == CS_POOL_MAX && shape->P > MOST_PATCHES_OF_MAXIMUM)
        return CS_ESHAPE;
    CS_TRY(CS_TYPED(cs_words_check)(shape, in, w.contrast.has_image));
    w.to = to;
    w.products = &CS_TYPED(cs_words_products_exact);
#ifndef CS_FLOAT64
    if (shape->rounded)
        w.products = &cs_words_products_bf16;
#endif
    CS_TYPED(cs_words_open)(in, logit_scale, &w);
    out[0] = out[1] = 0;
    if (gradients && !to->add)
        memset(to->dtokens, 0, shape->B * shape->L * shape->D * sizeof(cs_real));
    for (size_t s = 0; s < in->sets.count; s++) {
        CS_TYPED(cs_words_open_set)(s, &w);
        out[0] += contrast_set(&w, out + 1);
    }
    return CS_OK;
}
