#include "loss/words/sets.h"

#include <string.h>

#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"
#include "la/tiles.h"

/* Slopes that are kept from one pass to the next, which saves their products. */
enum { KEPT_BYTES = 64 << 20 };

static size_t
panels_of(size_t rows)
{
    return CS_TYPED(cs_panel_count)(rows);
}

static size_t
layout_tile(size_t P, size_t D, size_t lanes, cs_arena *arena, CS_TYPED(cs_words_tile) *t)
{
    size_t before = arena->used;
    t->patches = CS_TAKE(arena, cs_real, P, D);
    t->cosines = CS_TAKE(arena, cs_real, P, CS_PANEL);
    t->slope = CS_TAKE(arena, cs_real, P, CS_PANEL);
    t->dcosines = CS_TAKE(arena, cs_real, P, lanes);
    t->gathered = CS_TAKE(arena, cs_real, CS_PANEL, D);
    return arena->used - before;
}

CS_TYPED(cs_words_work)
CS_TYPED(cs_words_layout)(const cs_words_shape *shape, int gradients, size_t threads,
                          cs_arena *arena)
{
    CS_TYPED(cs_words_work) w = {.shape = shape, .gradients = gradients, .threads = threads};
    CS_TYPED(cs_words_tile) measured;
    cs_arena counter = {NULL, 0};
    size_t B = shape->B, P = shape->P, L = shape->L, D = shape->D;
    /* No set is larger than all of them, whatever the call says. */
    size_t samples = cs_least(shape->samples, B), rows = cs_least(shape->set_rows, shape->rows);
    size_t segment = cs_least(rows, CS_SEGMENT);
    w.lanes = panels_of(segment) * CS_TYPED(cs_panel_width)(segment);
    if (gradients && P * w.lanes > 0)
        w.kept = cs_least(cs_size_times(samples, cs_ceil_divide(rows, CS_SEGMENT)),
                          KEPT_BYTES / CS_SIZE(sizeof(cs_real), P, w.lanes));
    w.tile_size = layout_tile(P, D, gradients ? w.lanes : 0, &counter, &measured);
    CS_TYPED(cs_word_contrast_layout)(B, L, samples, rows, arena, &w.contrast);
    CS_TYPED(cs_taken_rows_layout)(B, P, D, arena, &w.patch);
    CS_TYPED(cs_taken_rows_layout)(1, shape->rows, D, arena, &w.word);
    w.patch_norm = CS_TAKE(arena, cs_real, B, P);
    w.word_norm = CS_TAKE(arena, cs_real, B, L);
    w.dscale = CS_TAKE(arena, double, samples);
    w.slopes = CS_TAKE(arena, cs_real, w.kept, P, w.lanes);
    w.columns = CS_TAKE(arena, cs_real, w.lanes, D);
    w.rows = CS_TAKE(arena, cs_real, w.lanes, D);
    w.sums = CS_TAKE(arena, cs_real, gradients ? cs_least(samples, CS_MOST_OWNERS) : 0, 2, w.lanes,
                     D);
    w.tiles = CS_TAKE(arena, char, threads, w.tile_size);
    return w;
}

CS_TYPED(cs_words_tile)
CS_TYPED(cs_words_tile_of)(const CS_TYPED(cs_words_work) *w, size_t thread)
{
    CS_TYPED(cs_words_tile) t;
    cs_arena arena = {(char *)w->tiles + thread * w->tile_size, 0};
    (void)layout_tile(w->shape->P, w->shape->D, w->gradients ? w->lanes : 0, &arena, &t);
    return t;
}

static void
measure_patch(const CS_TYPED(cs_words_work) *w, size_t n, const CS_TYPED(cs_words_input) *in)
{
    int valid = in->patch_valid == NULL || in->patch_valid[n];
    size_t D = w->shape->D;
    w->patch_norm[n] = valid ? cs_live_norm(CS_TYPED(cs_rows)(), D, in->patches + n * D) : 0;
}

static void
measure_row(const CS_TYPED(cs_words_work) *w, size_t u, const CS_TYPED(cs_words_input) *in)
{
    size_t t = (size_t)in->first[u], D = w->shape->D;
    w->word.index[u] = t;
    w->word_norm[t] = cs_live_norm(CS_TYPED(cs_rows)(), D, in->tokens + t * D);
}

void
CS_TYPED(cs_words_open)(const CS_TYPED(cs_words_input) *in, double logit_scale,
                        CS_TYPED(cs_words_work) *w)
{
    const cs_words_shape *shape = w->shape;
    CS_TYPED(cs_word_contrast) *c = &w->contrast;
    size_t patches = shape->B * shape->P, U = shape->rows;
    CS_EACH(n, patches, cs_threads_for_entries(patches, patches * shape->D),
            measure_patch(w, n, in));
    CS_EACH(u, U, cs_threads_for_entries(U, U * shape->D), measure_row(w, u, in));
    CS_TYPED(cs_taken_rows_list)(shape->B, in->patches, w->patch_norm, in->patch_valid, &w->patch);
    w->word.x = in->tokens;
    w->word.norm = w->word_norm;
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

cs_segment
CS_TYPED(cs_words_segment)(const CS_TYPED(cs_words_work) *w, size_t u0)
{
    size_t count = cs_block_length(u0, CS_SEGMENT, w->contrast.rows);
    return (cs_segment){u0, count, panels_of(count), CS_TYPED(cs_panel_width)(count),
                        u0 / CS_SEGMENT};
}

void
CS_TYPED(cs_words_take)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment)
{
    size_t first = w->contrast.first_row + segment->u0, D = w->shape->D;
    size_t filled = segment->panels * segment->width - segment->count;
    CS_TYPED(cs_taken_rows_pack)(&w->word, first, segment->count, w->rows);
    memset(w->rows + segment->count * D, 0, filled * D * sizeof(cs_real));
    for (size_t panel = 0; panel < segment->panels; panel++) {
        size_t begin = panel * segment->width * D;
        CS_TYPED(cs_transpose)(segment->width, D, segment->width, w->rows + begin, D,
                               w->columns + begin);
    }
}

cs_real *
CS_TYPED(cs_words_kept)(const CS_TYPED(cs_words_work) *w, const cs_segment *segment, size_t q)
{
    size_t number = segment->number * w->contrast.n + q;
    return number < w->kept ? w->slopes + number * w->shape->P * w->lanes : NULL;
}

size_t
CS_TYPED(cs_words_owned)(const CS_TYPED(cs_words_work) *w)
{
    if (w->shared && cs_groups_match(w->contrast.groups))
        return w->contrast.n;
    return cs_ceil_divide(w->contrast.n, CS_MOST_OWNERS);
}

cs_real *
CS_TYPED(cs_words_sum)(const CS_TYPED(cs_words_work) *w, size_t owner, size_t which)
{
    return w->sums + (2 * owner + which) * w->lanes * w->shape->D;
}
