#include "base/real.h"
#include "la/multiply.h"
#include "loss/words/products.h"

typedef CS_TYPED(cs_words_work) work;
typedef CS_TYPED(cs_words_tile) tile;
typedef CS_TYPED(cs_words_picture) picture;

static void
take_words(const work *w, const cs_panel *panel)
{
    size_t D = w->shape->D, width = panel->segment->width, begin = panel->first * D;
    CS_TYPED(cs_transpose)(width, D, width, w->rows + begin, D, w->columns + begin);
}

static void
take_patches(const work *w, const picture *v, const tile *t)
{
    (void)w;
    (void)v;
    (void)t;
}

static void
project(const work *w, const cs_panel *panel, const picture *v, const tile *t, int fetch,
        cs_real *x)
{
    size_t D = w->shape->D, width = panel->segment->width;
    CS_TYPED(cs_term) term = {D, v->rows, D, 1, w->columns + panel->first * D, width};
    CS_TYPED(cs_result) result = {.c = x, .c_row = width, .hints = fetch ? CS_FETCH : 0};
    (void)t;
    CS_TYPED(cs_product)(v->count, width, 1, &term, &result);
}

static void
to_words(const work *w, const cs_panel *panel, const picture *v, const tile *t, const cs_real *d,
         int add, cs_real *c)
{
    size_t D = w->shape->D;
    (void)t;
    cs_multiply(panel->count, D, v->count, d, 1, panel->segment->width, v->rows, D, add, c, D);
}

static void
to_patches(const work *w, const cs_segment *segment, const picture *v, const tile *t,
           const CS_TYPED(cs_result) *result)
{
    size_t D = w->shape->D, width = segment->width;
    CS_TYPED(cs_term) term[CS_PANELS];
    for (size_t k = 0; k < segment->panels; k++) {
        cs_panel panel = cs_panel_of(segment, k);
        term[k] = (CS_TYPED(cs_term)){panel.count, t->x + panel.first * v->count, width, 1,
                                      w->rows + panel.first * D, D};
    }
    CS_TYPED(cs_product)(v->count, D, segment->panels, term, result);
}

const struct CS_TYPED(cs_words_products) CS_TYPED(cs_words_products_exact) = {
    .take_words = take_words,
    .take_patches = take_patches,
    .project = project,
    .to_words = to_words,
    .to_patches = to_patches,
};
