/* The products of the word contrast on operands rounded to bfloat16. */
#include "loss/words/products.h"

typedef cs_words_work_f32 work;
typedef cs_words_tile_f32 tile;
typedef cs_words_picture_f32 picture;

static void
take_words(const work *w, const cs_panel *panel)
{
    const cs_words_bf16 *r = &w->bf16;
    const size_t D = w->shape->D, K = cs_bf16x2_count(D), width = panel->segment->width;
    cs_bf16x2 *rows = r->rows + panel->first * K;
    cs_bf16_of_floats(width, D, w->rows + panel->first * D, D, rows,
                      r->stack + panel->first / 2 * D);
    cs_bf16_transpose(width, D, width, rows, r->columns + panel->first * K);
}

static void
take_patches(const work *w, const picture *v, const tile *t)
{
    const size_t D = w->shape->D;
    cs_bf16_of_floats(v->count, D, v->rows, D, t->bf16.patch_rows, t->bf16.patch_stack);
}

static void
project(const work *w, const cs_panel *panel, const picture *v, const tile *t, int fetch, float *x)
{
    const size_t K = cs_bf16x2_count(w->shape->D), width = panel->segment->width;
    cs_bf16_term term = {K, t->bf16.patch_rows, K, 1, w->bf16.columns + panel->first * K, width};
    cs_bf16_result result = {.c = x, .c_row = width};
    (void)fetch;
    cs_bf16_product(v->count, width, 1, &term, &result);
}

static void
to_words(const work *w, const cs_panel *panel, const picture *v, const tile *t, const float *d,
         int add, float *c)
{
    const size_t D = w->shape->D, P = v->count, width = panel->segment->width;
    cs_bf16_of_floats(P, width, d, width, NULL, t->bf16.stack);
    cs_bf16_term term = {cs_bf16x2_count(P), t->bf16.stack, 1, width, t->bf16.patch_stack, D};
    cs_bf16_result result = {c, D, NULL, add ? c : NULL, D, 0};
    cs_bf16_product(panel->count, D, 1, &term, &result);
}

/* Rows past the last word are 0, in d as well, so that whole panels serve. */
static void
to_patches(const work *w, const cs_segment *segment, const picture *v, const tile *t,
           const cs_result_f32 *exact)
{
    const size_t D = w->shape->D, P = v->count, width = segment->width;
    cs_bf16_term term[CS_PANELS];
    for (size_t k = 0; k < segment->panels; k++) {
        const cs_panel panel = cs_panel_of(segment, k);
        cs_bf16x2 *rows = t->bf16.rows + panel.first / 2 * P;
        cs_bf16_of_floats(P, width, t->x + panel.first * P, width, rows, NULL);
        term[k] = (cs_bf16_term){cs_bf16x2_count(panel.count), rows, width / 2, 1,
                                 w->bf16.stack + panel.first / 2 * D, D};
    }
    cs_bf16_result result = {exact->c, exact->c_row, exact->e, exact->rows, exact->rows_row,
                             exact->hints};
    cs_bf16_product(P, D, segment->panels, term, &result);
}

const struct cs_words_products_f32 cs_words_products_bf16 = {
    .take_words = take_words,
    .take_patches = take_patches,
    .project = project,
    .to_words = to_words,
    .to_patches = to_patches,
};
