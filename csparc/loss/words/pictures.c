#include "loss/words/pictures.h"

#include <string.h>

#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"
#include "loss/words/products.h"

typedef CS_TYPED(cs_words_work) work;
typedef CS_TYPED(cs_words_tile) tile;
typedef CS_TYPED(cs_words_picture) picture;
typedef CS_TYPED(cs_match) match;

/* A panel that meets a picture on the way back. */
typedef struct {
    cs_panel panel;
    size_t owner;
    int add;
} panel_rows;

static picture
take_picture(const work *w, size_t q, const tile *t)
{
    size_t j = CS_TYPED(cs_sample_at)(&w->contrast, q), start = w->patch.start[j], D = w->shape->D;
    picture v = {.q = q, .j = j, .count = CS_TYPED(cs_taken_of)(&w->patch, j)};
    if (v.count == 0)
        return v;
    v.index = w->patch.index + start;
    v.inverse = w->patch_inverse + start;
    v.first = v.index[0];
    v.together = v.index[v.count - 1] - v.first + 1 == v.count;
    if (v.together && w->in->patch_bits == NULL) {
        v.rows = w->in->patches + v.first * D;
        return v;
    }
    v.rows = t->packed;
    for (size_t p = 0; p < v.count; p++)
        CS_TYPED(cs_take_row)(D, w->in->patches, w->in->patch_bits, v.index[p], t->packed + p * D);
    return v;
}

static void
measure(const work *w, const picture *v)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t D = w->shape->D;
    cs_real *inverse = w->patch_inverse + w->patch.start[v->j];
    for (size_t p = 0; p < v->count; p++)
        inverse[p] = cs_inverse_norm(cs_live_norm(kernels, D, v->rows + p * D));
}

static void
take_panel(const work *w, const cs_segment *segment, size_t number, int measures)
{
    const cs_panel panel = cs_panel_of(segment, number);
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t D = w->shape->D;
    size_t first = w->contrast.first_row + segment->u0 + panel.first;
    cs_real *rows = w->rows + panel.first * D, *inverse = w->word_inverse + first;
    for (size_t u = 0; u < panel.count; u++) {
        CS_TYPED(cs_take_row)(D, w->in->tokens, w->in->token_bits, (size_t)w->in->first[first + u],
                              rows + u * D);
        if (measures)
            inverse[u] = cs_inverse_norm(cs_live_norm(kernels, D, rows + u * D));
        kernels->scale_add(D, inverse[u], rows + u * D, 0, rows + u * D);
    }
    memset(rows + panel.count * D, 0, (segment->width - panel.count) * D * sizeof *rows);
    w->products->take_words(w, &panel);
}

void
CS_TYPED(cs_words_take)(const work *w, const cs_segment *segment, int measures)
{
    size_t entries = segment->count * w->shape->D;
    CS_EACH(k, segment->panels, cs_threads_for_entries(segment->panels, entries),
            take_panel(w, segment, k, measures));
}

void
CS_TYPED(cs_words_score)(const work *w, const cs_segment *segment, size_t q, size_t thread)
{
    tile t = CS_TYPED(cs_words_tile_of)(w, thread);
    picture v = take_picture(w, q, &t);
    size_t width = segment->width, to = q * w->contrast.lanes + segment->u0;
    cs_real *kept = w->gradients ? CS_TYPED(cs_words_kept)(w, segment, q) : NULL;
    cs_real z[CS_PANEL] = {0}, level[CS_PANEL] = {0};
    uint16_t winner[CS_PANEL] = {0};
    if (segment->first)
        measure(w, &v);
    w->products->take_patches(w, &v, &t);
    for (size_t k = 0; k < segment->panels; k++, to += width) {
        const cs_panel panel = cs_panel_of(segment, k);
        size_t count = panel.count;
        cs_real *x = kept == NULL ? t.x : kept + panel.first * v.count;
        if (v.count > 0) {
            w->products->project(w, &panel, &v, &t, k == 0 && !segment->first, x);
            CS_TYPED(cs_pool_cosines)(v.count, width, w->pool, v.inverse, x, z, level, winner);
        }
        memcpy(w->contrast.scores + to, z, count * sizeof(cs_real));
        if (w->gradients && w->pool->kind == CS_POOL_SOFTMAX)
            memcpy(w->level + to, level, count * sizeof(cs_real));
        if (w->gradients && w->pool->kind == CS_POOL_MAX)
            memcpy(w->winner + to, winner, count * sizeof *winner);
    }
}

/* Where rows have several tokens each: x [count,D], the gradients of the scores by the unit vectors
 * of the rows, to the owner's A and B of the panel, and to each token what it has of its own. */
static void
add_to_shared_rows(const work *w, const panel_rows *rows, const picture *v, const cs_real *a,
                   const cs_real *b, const cs_real *x)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    const CS_TYPED(cs_word_contrast) *c = &w->contrast;
    size_t D = w->shape->D, u0 = rows->panel.segment->u0 + rows->panel.first;
    cs_real *to_rows = CS_TYPED(cs_words_sum)(w, rows->owner, 0) + rows->panel.first * D;
    cs_real *to_pictures = CS_TYPED(cs_words_sum)(w, rows->owner, 1) + rows->panel.first * D;
    cs_real outer = c->scale * (cs_real)w->to->weight;
    match m = CS_TYPED(cs_matches_of_picture)(c, v->q);
    for (size_t k = 0; k < rows->panel.count; k++) {
        if (a[k] != 0 || !rows->add)
            kernels->scale_add(D, a[k], x + k * D, rows->add, to_rows + k * D);
        if (b[k] != 0 || !rows->add)
            kernels->scale_add(D, b[k], x + k * D, rows->add, to_pictures + k * D);
    }
    while (CS_TYPED(cs_next_match)(c, &m)) {
        size_t k = m.row - u0;
        if (m.row < u0 || k >= rows->panel.count)
            continue;
        const cs_real *own = x + k * D, *unit = w->rows + (rows->panel.first + k) * D;
        cs_real *out = w->to->dtokens + m.token * D;
        cs_real inverse = w->word_inverse[c->first_row + m.row];
        cs_real factor = -outer * CS_TYPED(cs_match_own)(c, &m) * inverse;
        kernels->scale_add(D, factor, own, 1, out);
        kernels->scale_add(D, -factor * kernels->dot(D, unit, own), unit, 1, out);
    }
}

/* From the gradients g by the scores to d, those by the products, in the tile; a, b as in
 * add_to_shared_rows. */
static void
back_to_panel(const work *w, const panel_rows *rows, const picture *v, const tile *t,
              const cs_real *a, const cs_real *b, const cs_real *g)
{
    size_t D = w->shape->D, P = v->count, width = rows->panel.segment->width;
    size_t first = rows->panel.first, count = rows->panel.count;
    size_t from = v->q * w->contrast.lanes + rows->panel.segment->u0 + first;
    cs_real *d = t->x + first * P, z[CS_PANEL] = {0}, level[CS_PANEL] = {0};
    const cs_real *kept = CS_TYPED(cs_words_kept)(w, rows->panel.segment, v->q);
    if (kept == NULL)
        w->products->project(w, &rows->panel, v, t, first == 0, d);
    else
        memcpy(d, kept + first * P, P * width * sizeof(cs_real));
    memcpy(z, w->contrast.scores + from, count * sizeof(cs_real));
    if (w->pool->kind == CS_POOL_SOFTMAX)
        memcpy(level, w->level + from, count * sizeof(cs_real));
    CS_TYPED(cs_pool_cosines_backward)(P, width, w->pool, v->inverse, z, level, g, d,
                                       w->shared ? t->weight : NULL, w->along + v->q * w->shape->P);
    if (!w->shared) {
        w->products->to_words(w, &rows->panel, v, t, d, rows->add,
                              CS_TYPED(cs_words_sum)(w, rows->owner, 0) + first * D);
        return;
    }
    w->products->to_words(w, &rows->panel, v, t, t->weight, 0, t->gathered);
    add_to_shared_rows(w, rows, v, a, b, t->gathered);
}

/* The same under CS_POOL_MAX, where a word and a picture give each other one patch and the word:
 * dv [P,D] is added to. */
static void
back_to_winners(const work *w, const panel_rows *rows, const picture *v, const tile *t,
                const cs_real *a, const cs_real *b, const cs_real *g, cs_real *dv)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t D = w->shape->D, u0 = rows->panel.segment->u0 + rows->panel.first;
    size_t from = v->q * w->contrast.lanes + u0;
    cs_real *to = CS_TYPED(cs_words_sum)(w, rows->owner, 0) + rows->panel.first * D;
    for (size_t k = 0; k < rows->panel.count; k++) {
        size_t p = w->winner[from + k];
        cs_real inverse = v->inverse[p], d = g[k] * inverse;
        kernels->scale_add(D, d, w->rows + (rows->panel.first + k) * D, 1, dv + p * D);
        w->along[v->q * w->shape->P + p] += inverse == 0 ? 0 : g[k] * w->contrast.scores[from + k];
        if (w->shared)
            kernels->scale_add(D, inverse, v->rows + p * D, 0, t->gathered + k * D);
        else
            kernels->scale_add(D, d, v->rows + p * D, rows->add, to + k * D);
    }
    if (w->shared)
        add_to_shared_rows(w, rows, v, a, b, t->gathered);
}

/* dv [P,D] of a picture = or += the panels' d times their words; after the last segment also what
 * lies along the patches. */
static void
back_to_patches(const work *w, const cs_segment *segment, const picture *v, const tile *t,
                int fresh, cs_real *dv)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    size_t D = w->shape->D, P = v->count;
    const cs_real *along = w->along + v->q * w->shape->P;
    CS_TYPED(cs_result) result = {dv, D, NULL, fresh ? NULL : dv, D, fresh ? 0 : CS_FETCH_SUMS};
    for (size_t p = 0; segment->last && p < P; p++)
        t->radial[p] = -along[p] * v->inverse[p] * v->inverse[p];
    if (segment->last && fresh && w->pool->kind != CS_POOL_MAX) {
        result.e = t->radial;
        result.rows = v->rows;
        result.hints = dv == t->dpacked ? 0 : CS_STREAM;
    }
    if (w->pool->kind != CS_POOL_MAX)
        w->products->to_patches(w, segment, v, t, &result);
    if (segment->last && result.e == NULL)
        for (size_t p = 0; p < P; p++)
            kernels->scale_add(D, t->radial[p], v->rows + p * D, 1, dv + p * D);
}

/* Zeros where the gradients of a picture are not written by products. */
static void
clear_gradients(const work *w, const picture *v, int all)
{
    size_t P = w->shape->P, D = w->shape->D;
    size_t before = all ? P : v->first - v->j * P, end = all ? P : before + v->count;
    cs_real *d = w->to->dpatches + v->j * P * D;
    memset(d, 0, before * D * sizeof(cs_real));
    memset(d + end * D, 0, (P - end) * D * sizeof(cs_real));
}

int
CS_TYPED(cs_words_back)(const work *w, const cs_segment *segment, size_t q, size_t owner, int add,
                        const tile *t)
{
    const CS_TYPED(cs_row_kernels) *kernels = CS_TYPED(cs_rows)();
    picture v = take_picture(w, q, t);
    size_t D = w->shape->D;
    int maximum = w->pool->kind == CS_POOL_MAX, fresh = segment->first && !w->to->add;
    cs_real outer = w->contrast.scale * (cs_real)w->to->weight;
    cs_real *dv = v.together ? w->to->dpatches + v.first * D : t->dpacked;
    if (fresh)
        clear_gradients(w, &v, v.count == 0 || !v.together || maximum);
    if (v.count == 0)
        return 0;
    if (segment->first)
        memset(w->along + q * w->shape->P, 0, v.count * sizeof(cs_real));
    if (maximum && !v.together)
        memset(dv, 0, v.count * D * sizeof(cs_real));
    if (!maximum)
        w->products->take_patches(w, &v, t);
    for (size_t k = 0; k < segment->panels; k++) {
        const panel_rows rows = {cs_panel_of(segment, k), owner, add};
        cs_real a[CS_PANEL], b[CS_PANEL], g[CS_PANEL] = {0};
        w->dscale[q] += CS_TYPED(cs_word_contrast_gradient)(
            &w->contrast, q, segment->u0 + rows.panel.first, rows.panel.count, a, b, g);
        for (size_t u = 0; u < rows.panel.count; u++)
            g[u] *= outer;
        if (maximum)
            back_to_winners(w, &rows, &v, t, a, b, g, dv);
        else
            back_to_panel(w, &rows, &v, t, a, b, g);
    }
    back_to_patches(w, segment, &v, t, fresh || !v.together, dv);
    for (size_t p = 0; !v.together && p < v.count; p++)
        kernels->scale_add(D, 1, dv + p * D, 1, w->to->dpatches + v.index[p] * D);
    return 1;
}
