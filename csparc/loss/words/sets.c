#include "loss/words/sets.h"

#include <string.h>

#include "base/real.h"

/* Products that are kept from one pass to the next in place of being formed again: no more than
 * stays in the farther caches. */
enum { KEPT_BYTES = 16 << 20 };

static size_t
panels_of(size_t rows)
{
    return CS_TYPED(cs_panel_count)(rows);
}

static void
layout_bf16(size_t D, size_t lanes, cs_arena *arena, cs_words_bf16 *r)
{
    r->rows = CS_TAKE(arena, cs_bf16x2, lanes, cs_bf16x2_count(D));
    r->columns = CS_TAKE(arena, cs_bf16x2, lanes, cs_bf16x2_count(D));
    r->stack = CS_TAKE(arena, cs_bf16x2, lanes / 2, D);
}

static void
layout_picture_bf16(const cs_words_shape *shape, int gradients, size_t lanes, cs_arena *arena,
                    cs_picture_bf16 *r)
{
    size_t P = shape->P, D = shape->D, back = gradients ? P : 0;
    r->patch_rows = CS_TAKE(arena, cs_bf16x2, P, cs_bf16x2_count(D));
    r->patch_stack = CS_TAKE(arena, cs_bf16x2, cs_bf16x2_count(P), D);
    r->rows = CS_TAKE(arena, cs_bf16x2, back, lanes / 2);
    r->stack = CS_TAKE(arena, cs_bf16x2, cs_bf16x2_count(back), CS_PANEL);
}

static size_t
layout_tile(const cs_words_shape *shape, int gradients, size_t lanes, cs_arena *arena,
            CS_TYPED(cs_words_tile) *t)
{
    size_t before = arena->used, P = shape->P, D = shape->D, back = gradients ? P : 0;
    t->packed = CS_TAKE(arena, cs_real, shape->masked || shape->bits ? P : 0, D);
    t->dpacked = CS_TAKE(arena, cs_real, shape->masked ? back : 0, D);
    t->x = CS_TAKE(arena, cs_real, P, gradients ? lanes : CS_PANEL);
    t->weight = CS_TAKE(arena, cs_real, back, CS_PANEL);
    t->gathered = CS_TAKE(arena, cs_real, gradients ? CS_PANEL : 0, D);
    t->radial = CS_TAKE(arena, cs_real, back);
    if (shape->rounded)
        layout_picture_bf16(shape, gradients, lanes, arena, &t->bf16);
    return arena->used - before;
}

/* What is needed for gradients alone. */
static void
layout_backward(size_t samples, size_t rows, CS_TYPED(cs_words_work) *w, cs_arena *arena)
{
    const cs_words_shape *shape = w->shape;
    size_t P = shape->P, D = shape->D, kind = (size_t)w->pool->kind;
    if (kind != CS_POOL_MAX)
        w->kept = cs_least(CS_SIZE(samples, cs_ceil_divide(rows, CS_SEGMENT), P, w->lanes),
                           KEPT_BYTES / sizeof(cs_real));
    w->sums_each = shape->rows < cs_size_times(shape->B, shape->L) ? 2 : 1;
    w->level = CS_TAKE(arena, cs_real, kind == CS_POOL_SOFTMAX ? samples : 0, w->contrast.lanes);
    w->winner = CS_TAKE(arena, uint16_t, kind == CS_POOL_MAX ? samples : 0, w->contrast.lanes);
    w->along = CS_TAKE(arena, cs_real, samples, P);
    w->dscale = CS_TAKE(arena, double, samples);
    w->visit = CS_TAKE(arena, size_t, samples);
    w->kept_products = CS_TAKE(arena, cs_real, w->kept);
    w->sums = CS_TAKE(arena, cs_real, cs_least(samples, CS_MOST_OWNERS), w->sums_each, w->lanes, D);
}

CS_TYPED(cs_words_work)
CS_TYPED(cs_words_layout)(const cs_words_shape *shape, const cs_word_pool *pool, int gradients,
                          size_t threads, cs_arena *arena)
{
    CS_TYPED(cs_words_work) w = {
        .shape = shape, .pool = pool, .gradients = gradients, .threads = threads};
    CS_TYPED(cs_words_tile) measured;
    cs_arena counter = {NULL, 0};
    size_t B = shape->B, P = shape->P, D = shape->D;
    /* No set is larger than all of them, whatever the call says. */
    size_t samples = cs_least(shape->samples, B), rows = cs_least(shape->set_rows, shape->rows);
    size_t segment = cs_least(rows, CS_SEGMENT);
    w.lanes = panels_of(segment) * CS_TYPED(cs_panel_width)(segment);
    w.tile_size = layout_tile(shape, gradients, w.lanes, &counter, &measured);
    CS_TYPED(cs_word_contrast_layout)(B, shape->L, samples, rows, arena, &w.contrast);
    CS_TYPED(cs_taken_rows_layout)(B, P, D, arena, &w.patch);
    w.patch_inverse = CS_TAKE(arena, cs_real, B, P);
    w.word_inverse = CS_TAKE(arena, cs_real, shape->rows);
    w.columns = CS_TAKE(arena, cs_real, w.lanes, D);
    w.rows = CS_TAKE(arena, cs_real, w.lanes, D);
    if (shape->rounded)
        layout_bf16(D, w.lanes, arena, &w.bf16);
    if (gradients)
        layout_backward(samples, rows, &w, arena);
    w.tiles = CS_TAKE(arena, char, threads, w.tile_size);
    return w;
}

CS_TYPED(cs_words_tile)
CS_TYPED(cs_words_tile_of)(const CS_TYPED(cs_words_work) *w, size_t thread)
{
    CS_TYPED(cs_words_tile) t;
    cs_arena arena = {(char *)w->tiles + thread * w->tile_size, 0};
    (void)layout_tile(w->shape, w->gradients, w->lanes, &arena, &t);
    return t;
}

void
CS_TYPED(cs_words_open)(const CS_TYPED(cs_words_input) *in, double logit_scale,
                        CS_TYPED(cs_words_work) *w)
{
    const cs_words_shape *shape = w->shape;
    CS_TYPED(cs_word_contrast) *c = &w->contrast;
    CS_TYPED(cs_taken_rows_list)(shape->B, in->patches, NULL, in->patch_valid, &w->patch);
    w->in = in;
    c->B = shape->B;
    c->L = shape->L;
    c->W = shape->W;
    c->word = in->word;
    c->row = in->row;
    c->word_of_row = in->first;
    c->lacks = in->lacks;
    c->groups = &in->groups;
    c->sets = in->sets;
    c->scale = (cs_real)logit_scale;
    for (size_t i = 0; i < shape->B; i++)
        c->has_image[i] = CS_TYPED(cs_taken_of)(&w->patch, i) > 0;
    CS_TYPED(cs_word_contrast_open)(c);
}

/* Places of the set in `visit`, those of a group one after another. */
static void
order_places(const CS_TYPED(cs_words_work) *w)
{
    const CS_TYPED(cs_word_contrast) *c = &w->contrast;
    const int64_t *id = cs_groups_match(c->groups) ? c->groups->id : NULL;
    size_t at = 0;
    for (size_t q = 0; q < c->n; q++) {
        int64_t own = id == NULL ? -1 : id[CS_TYPED(cs_sample_at)(c, q)];
        int listed = 0;
        for (size_t k = 0; own >= 0 && k < q && !listed; k++)
            listed = id[CS_TYPED(cs_sample_at)(c, k)] == own;
        if (listed)
            continue;
        w->visit[at++] = q;
        for (size_t k = q + 1; own >= 0 && k < c->n; k++)
            if (id[CS_TYPED(cs_sample_at)(c, k)] == own)
                w->visit[at++] = k;
    }
}

static void
deal_to_owners(CS_TYPED(cs_words_work) *w)
{
    const CS_TYPED(cs_word_contrast) *c = &w->contrast;
    size_t owned = cs_ceil_divide(c->n, CS_MOST_OWNERS);
    order_places(w);
    w->owners = 0;
    for (size_t at = 0; at < c->n; w->owners++) {
        w->owner_start[w->owners] = at;
        at = cs_least(at + owned, c->n);
        while (at < c->n && cs_groups_match(c->groups) &&
               cs_same_group(c->groups, CS_TYPED(cs_sample_at)(c, w->visit[at - 1]),
                             CS_TYPED(cs_sample_at)(c, w->visit[at])))
            at++;
    }
    w->owner_start[w->owners] = c->n;
}

void
CS_TYPED(cs_words_open_set)(size_t s, CS_TYPED(cs_words_work) *w)
{
    const CS_TYPED(cs_words_input) *in = w->in;
    CS_TYPED(cs_word_contrast) *c = &w->contrast;
    c->begin = (size_t)in->sets.start[s];
    c->n = (size_t)in->sets.start[s + 1] - c->begin;
    c->first_row = (size_t)in->row_start[s];
    c->rows = (size_t)in->row_start[s + 1] - c->first_row;
    if (w->gradients)
        deal_to_owners(w);
}

cs_segment
CS_TYPED(cs_words_segment)(const CS_TYPED(cs_words_work) *w, size_t u0)
{
    size_t rows = w->contrast.rows, count = cs_block_length(u0, CS_SEGMENT, rows);
    return (cs_segment){u0, count, panels_of(count), CS_TYPED(cs_panel_width)(count),
                        u0 / CS_SEGMENT, u0 == 0, u0 + count == rows};
}

cs_real *
CS_TYPED(cs_words_kept)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment, size_t q)
{
    size_t P = w->shape->P, one = P * segment->panels * segment->width;
    size_t before = segment->number * w->contrast.n * P * w->lanes + q * one;
    return before + one <= w->kept ? w->kept_products + before : NULL;
}

cs_real *
CS_TYPED(cs_words_sum)(const CS_TYPED(cs_words_work) *w, size_t owner, size_t which)
{
    return w->sums + (w->sums_each * owner + which) * w->lanes * w->shape->D;
}
