#include "loss/words/word_contrast.h"

#include <string.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/real.h"
#include "la/multiply.h"
#include "la/rows.h"
#include "la/unit_vector.h"
#include "loss/words/contrast.h"
#include "loss/words/sets.h"

enum { MOST_PATCHES_OF_MAXIMUM = 65535 };

typedef CS_TYPED(cs_words_work) work;
typedef CS_TYPED(cs_words_tile) tile;
typedef CS_TYPED(cs_match) match;

size_t
CS_TYPED(cs_words_scratch)(const cs_words_shape *shape, int gradients, size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)CS_TYPED(cs_words_layout)(shape, gradients, threads, &counter);
    return counter.used;
}

/* Unit vectors of the set's picture q; returns their number. */
static size_t
take_picture(const work *w, size_t q, const tile *t)
{
    size_t j = CS_TYPED(cs_sample_at)(&w->contrast, q), count = CS_TYPED(cs_taken_of)(&w->patch, j);
    CS_TYPED(cs_taken_rows_pack)(&w->patch, w->patch.start[j], count, t->patches);
    return count;
}

/* Slopes [P,width] and scores z [width] of the picture of tile t with a panel, P >= 1. */
static void
form_panel(const work *w, const cs_segment *segment, size_t panel, size_t P, const tile *t,
           cs_real *slope, cs_real *z)
{
    size_t D = w->shape->D, width = segment->width;
    cs_multiply(P, width, D, t->patches, D, 1, w->columns + panel * width * D, width, 0,
                t->cosines, width);
    CS_TYPED(cs_pool_cosines)(P, width, w->pool, t->cosines, slope, z);
}

/* The scores of picture q with the segment; 0 where it has no valid patch. */
static void
score_picture(const work *w, const cs_segment *segment, size_t q, size_t thread)
{
    tile t = CS_TYPED(cs_words_tile_of)(w, thread);
    size_t P = take_picture(w, q, &t), width = segment->width;
    cs_real *kept = CS_TYPED(cs_words_kept)(w, segment, q), z[CS_PANEL] = {0};
    cs_real *scores = w->contrast.scores + q * w->contrast.lanes + segment->u0;
    for (size_t panel = 0; panel < segment->panels; panel++) {
        size_t count = cs_block_length(panel * width, width, segment->count);
        if (P > 0)
            form_panel(w, segment, panel, P, &t, kept == NULL ? t.slope : kept + panel * P * width,
                       z);
        memcpy(scores + panel * width, z, count * sizeof(cs_real));
    }
}

/* Where rows have several tokens each: to the owner's A and B of the panel, and to each token what
 * it has of its own. */
static void
add_to_shared_rows(const work *w, const cs_segment *segment, size_t panel, size_t q,
                   size_t owner, const tile *t, cs_real *dtokens)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_word_contrast) *c = &w->contrast;
    size_t D = w->shape->D, width = segment->width, u0 = segment->u0 + panel * width;
    size_t count = cs_block_length(panel * width, width, segment->count);
    cs_real *x = t->gathered, a[CS_PANEL], b[CS_PANEL];
    cs_real *to_rows = CS_TYPED(cs_words_sum)(w, owner, 0) + panel * width * D;
    cs_real *to_pictures = CS_TYPED(cs_words_sum)(w, owner, 1) + panel * width * D;
    match m = CS_TYPED(cs_matches_of_picture)(c, q);
    CS_TYPED(cs_word_contrast_shares)(c, q, u0, count, a, b);
    for (size_t k = 0; k < count; k++) {
        if (a[k] != 0)
            kernels->scale_add(D, a[k], x + k * D, 1, to_rows + k * D);
        if (b[k] != 0)
            kernels->scale_add(D, b[k], x + k * D, 1, to_pictures + k * D);
    }
    while (CS_TYPED(cs_next_match)(c, &m))
        if (m.row >= u0 && m.row < u0 + count)
            kernels->scale_add(D, -c->scale * CS_TYPED(cs_match_own)(c, &m), x + (m.row - u0) * D,
                               1, dtokens + m.token * D);
}

/* The gradient by the cosines of picture q with a panel: g [width] times the slopes. */
static void
scale_slopes(size_t P, size_t width, const cs_real *g, const cs_real *slope, cs_real *out)
{
    for (size_t p = 0; p < P; p++)
        for (size_t k = 0; k < width; k++)
            out[p * width + k] = g[k] * slope[p * width + k];
}

/* Gradients by the cosines d [P,width] of picture q with a panel, and what its rows have of them,
 * by their unit vectors, in the owner's sums. */
static void
back_to_panel(const work *w, const cs_segment *segment, size_t panel, size_t q, size_t P,
              size_t owner, const tile *t, cs_real *d, cs_real *dtokens)
{
    size_t D = w->shape->D, width = segment->width, first = panel * width;
    size_t count = cs_block_length(first, width, segment->count);
    cs_real *slope = CS_TYPED(cs_words_kept)(w, segment, q), g[CS_PANEL] = {0};
    if (slope == NULL)
        form_panel(w, segment, panel, P, t, slope = t->slope, g);
    else
        slope += panel * P * width;
    memset(g, 0, sizeof g);
    w->dscale[q] += CS_TYPED(cs_word_contrast_gradient)(&w->contrast, q, segment->u0 + first,
                                                        count, g);
    for (size_t k = 0; k < count; k++)
        g[k] *= w->contrast.scale;
    scale_slopes(P, width, g, slope, d);
    if (!w->shared) {
        cs_multiply(width, D, P, d, 1, width, t->patches, D, 1,
                    CS_TYPED(cs_words_sum)(w, owner, 0) + first * D, D);
        return;
    }
    cs_multiply(width, D, P, slope, 1, width, t->patches, D, 0, t->gathered, D);
    add_to_shared_rows(w, segment, panel, q, owner, t, dtokens);
}

/* What picture q and the segment give each other: the picture's part, by its unit vectors, is added
 * to the first rows of its place in dpatches. */
static void
back_through_picture(const work *w, const cs_segment *segment, size_t q, size_t owner,
                     const tile *t, cs_real *dpatches, cs_real *dtokens)
{
    size_t P = take_picture(w, q, t), D = w->shape->D, width = segment->width;
    CS_TYPED(cs_term) terms[CS_PANELS];
    if (P == 0)
        return;
    for (size_t panel = 0; panel < segment->panels; panel++) {
        cs_real *d = t->dcosines + panel * P * width;
        back_to_panel(w, segment, panel, q, P, owner, t, d, dtokens);
        terms[panel] = (CS_TYPED(cs_term)){width, d, width, 1, w->rows + panel * width * D, D};
    }
    cs_add_far(P, D, segment->panels, terms,
               dpatches + CS_TYPED(cs_sample_at)(&w->contrast, q) * w->shape->P * D);
}

static void
back_through_owner(const work *w, const cs_segment *segment, size_t owner, size_t thread,
                   cs_real *dpatches, cs_real *dtokens)
{
    tile t = CS_TYPED(cs_words_tile_of)(w, thread);
    size_t owned = CS_TYPED(cs_words_owned)(w), begin = owner * owned;
    size_t end = cs_least(begin + owned, w->contrast.n);
    memset(CS_TYPED(cs_words_sum)(w, owner, 0), 0,
           2 * w->lanes * w->shape->D * sizeof(cs_real));
    for (size_t q = begin; q < end; q++)
        back_through_picture(w, segment, q, owner, &t, dpatches, dtokens);
}

/* Row u of the segment: the first owner's sums take in all others'. */
static void
sum_owners(const work *w, size_t owners, size_t u)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t D = w->shape->D;
    for (size_t which = 0; which <= (size_t)w->shared; which++)
        for (size_t owner = 1; owner < owners; owner++)
            kernels->scale_add(D, 1, CS_TYPED(cs_words_sum)(w, owner, which) + u * D, 1,
                               CS_TYPED(cs_words_sum)(w, 0, which) + u * D);
}

/* The gradient of the tokens of caption q whose rows are in the segment, from the sums of these. */
static void
finish_caption(const work *w, const cs_segment *segment, size_t q, cs_real *dtokens)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_word_contrast) *c = &w->contrast;
    size_t i = CS_TYPED(cs_sample_at)(c, q), D = w->shape->D;
    for (size_t t = i * c->L; t < (i + 1) * c->L; t++) {
        size_t u = (size_t)c->row[t] - c->first_row - segment->u0;
        cs_real *out = dtokens + t * D;
        if (c->row[t] < 0 || u >= segment->count)
            continue;
        kernels->scale_add(D, w->shared ? c->scale * c->token_weight[t] : 1,
                           CS_TYPED(cs_words_sum)(w, 0, 0) + u * D, 1, out);
        if (w->shared)
            kernels->scale_add(D, c->scale, CS_TYPED(cs_words_sum)(w, 0, 1) + u * D, 1, out);
        cs_unit_backward(kernels, D, w->rows + u * D,
                         w->word_norm[c->word_of_row[c->first_row + segment->u0 + u]], out, out);
    }
}

/* The gradient of picture j from that by its unit vectors, which lies packed in the first rows of
 * its place: from the last patch to the first, so that none is overwritten before it is read. */
static void
finish_picture(const work *w, size_t j, cs_real *dpatches)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t P = w->shape->P, D = w->shape->D, packed = CS_TYPED(cs_taken_of)(&w->patch, j);
    cs_real *d = dpatches + j * P * D;
    for (size_t p = P; p-- > 0;) {
        size_t n = j * P + p;
        if (packed == 0 || w->patch.index[w->patch.start[j] + packed - 1] != n) {
            memset(d + p * D, 0, D * sizeof(cs_real));
            continue;
        }
        packed--;
        cs_unit_backward_from(kernels, D, w->patch.x + n * D, w->patch_norm[n], d + packed * D,
                              d + p * D);
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
    CS_TYPED(cs_words_take)(w, segment);
    CS_EACH_DYNAMIC(q, thread, n, threads_for(w, n, segment->count),
                    score_picture(w, segment, q, thread));
}

static void
back_through_segment(const work *w, const cs_segment *segment, cs_real *dpatches,
                     cs_real *dtokens)
{
    size_t n = w->contrast.n, D = w->shape->D;
    size_t owners = cs_ceil_divide(n, CS_TYPED(cs_words_owned)(w));
    CS_TYPED(cs_words_take)(w, segment);
    CS_EACH_DYNAMIC(owner, thread, owners, threads_for(w, owners, segment->count),
                    back_through_owner(w, segment, owner, thread, dpatches, dtokens));
    CS_EACH(u, segment->count,
            cs_threads_for_entries(segment->count, owners * segment->count * D),
            sum_owners(w, owners, u));
    CS_EACH(q, n, cs_threads_for_entries(n, n * w->shape->L * D),
            finish_caption(w, segment, q, dtokens));
}

/* Loss, and with gradients those of the set's rows; adds to dscale. */
static double
contrast_set(work *w, double *dscale, cs_real *dpatches, cs_real *dtokens)
{
    CS_TYPED(cs_word_contrast) *c = &w->contrast;
    for (size_t u0 = 0; u0 < c->rows; u0 += CS_SEGMENT) {
        cs_segment segment = CS_TYPED(cs_words_segment)(w, u0);
        score_segment(w, &segment);
    }
    double loss = CS_TYPED(cs_word_contrast_close)(c);
    if (!w->gradients)
        return loss;
    w->shared = 0;
    for (size_t u = 0; u < c->rows; u++)
        w->shared |= c->tokens[u] > 1;
    memset(w->dscale, 0, c->n * sizeof(double));
    for (size_t u0 = 0; u0 < c->rows; u0 += CS_SEGMENT) {
        cs_segment segment = CS_TYPED(cs_words_segment)(w, u0);
        back_through_segment(w, &segment, dpatches, dtokens);
    }
    for (size_t q = 0; q < c->n; q++)
        *dscale += w->dscale[q];
    return loss;
}

cs_status
CS_TYPED(cs_words)(const cs_words_shape *shape, const CS_TYPED(cs_words_input) *in,
                   const cs_word_pool *pool, double logit_scale, double *out, cs_real *dpatches,
                   cs_real *dtokens, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    int gradients = dpatches != NULL && dtokens != NULL;
    work w = CS_TYPED(cs_words_layout)(shape, gradients, threads, &arena);
    size_t B = shape->B, D = shape->D;
    if (pool->kind == CS_POOL_MAX && shape->P > MOST_PATCHES_OF_MAXIMUM)
        return CS_ESHAPE;
    CS_TRY(CS_TYPED(cs_words_check)(shape, in, w.contrast.has_image));
    w.pool = pool;
    CS_TYPED(cs_words_open)(in, logit_scale, &w);
    out[0] = out[1] = 0;
    if (gradients) {
        memset(dpatches, 0, B * shape->P * D * sizeof(cs_real));
        memset(dtokens, 0, B * shape->L * D * sizeof(cs_real));
    }
    for (size_t s = 0; s < in->sets.count; s++) {
        w.contrast.begin = (size_t)in->sets.start[s];
        w.contrast.n = (size_t)in->sets.start[s + 1] - w.contrast.begin;
        w.contrast.first_row = (size_t)in->row_start[s];
        w.contrast.rows = (size_t)in->row_start[s + 1] - w.contrast.first_row;
        out[0] += contrast_set(&w, out + 1, dpatches, dtokens);
    }
    if (gradients)
        CS_EACH(j, B, cs_threads_for_entries(B, B * shape->P * D),
                finish_picture(&w, j, dpatches));
    return CS_OK;
}
