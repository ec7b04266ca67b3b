#include "loss/gram/gloria.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/rows.h"
#include "la/tiles.h"
#include "la/unit_vector.h"
#include "loss/entropy/rows_and_columns.h"
#include "loss/gram/word_attention.h"
#include "loss/kernels/widths.h"

enum { WORDS = 128, CAPTIONS = 8, SCALES = 3 };

typedef struct {
    const cs_gloria_options *options;
    CS_TYPED(cs_gloria_input) in;
    size_t B, P, L, D;
    CS_TYPED(cs_image_block) block;
    CS_TYPED(cs_rows_and_columns) states;
    uint8_t *has_image, *has_caption; /* [B] */
    size_t *words;                    /* [B] valid words */
    cs_real *scores;                  /* [owners, rows, columns] */
    double *dscales;                  /* [owners, SCALES] */
    char *tiles;
    size_t tile_bytes;
} workspace;

static size_t
most_words(size_t L)
{
    return L > WORDS ? L : WORDS;
}

static workspace
layout(size_t B, size_t P, size_t L, size_t D, long long asked_rows, long long asked_columns,
       int gradients, int positive, size_t threads, cs_arena *arena)
{
    workspace w = {.B = B, .P = P, .L = L, .D = D};
    size_t owners = cs_tiling_of(B, 1, CAPTIONS, 0, asked_columns).owners;
    size_t rows = CS_TYPED(cs_image_block_rows)(owners, P, D);
    cs_tiling tiling = cs_tiling_of(B, rows, CAPTIONS, asked_rows, asked_columns);
    cs_arena counter = {NULL, 0};
    CS_TYPED(cs_word_tile) measured;
    CS_TYPED(cs_image_block_layout)(tiling.rows, P, D, tiling.owners, gradients, arena, &w.block);
    CS_TYPED(cs_rows_and_columns_layout)(B, &tiling, positive, arena, &w.states);
    w.has_image = cs_arena_take(arena, B);
    w.has_caption = cs_arena_take(arena, B);
    w.words = CS_TAKE(arena, size_t, B);
    w.scores = CS_TAKE(arena, cs_real, tiling.owners, tiling.rows, tiling.columns);
    w.dscales = CS_TAKE(arena, double, tiling.owners, SCALES);
    w.tile_bytes = CS_TYPED(cs_word_tile_layout)(P, D, most_words(L), tiling.columns, &counter,
                                                 &measured);
    w.tiles = CS_TAKE(arena, char, threads, w.tile_bytes);
    return w;
}

size_t
CS_TYPED(cs_gloria_scratch)(size_t B, size_t P, size_t L, size_t D, long long asked_rows,
                            long long asked_columns, int gradients, int positive,
                            size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, P, L, D, asked_rows, asked_columns, gradients, positive, threads, &counter);
    return counter.used;
}

static CS_TYPED(cs_word_tile)
tile_of_thread(const workspace *w, size_t thread)
{
    CS_TYPED(cs_word_tile) t;
    cs_arena arena = {w->tiles + thread * w->tile_bytes, 0};
    (void)CS_TYPED(cs_word_tile_layout)(w->P, w->D, most_words(w->L), w->states.tiling.columns,
                                        &arena, &t);
    return t;
}

static int
is_word(const workspace *w, size_t n)
{
    return w->in.text_valid == NULL || w->in.text_valid[n];
}

/* The next captions from c0 on, before `end`, whose words fit a tile (at least one caption). */
static void
pack_captions(const workspace *w, size_t c0, size_t end, CS_TYPED(cs_word_tile) *t)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t at = 0, most = cs_least(end, c0 + w->states.tiling.columns);
    t->samples = 0;
    t->start[0] = 0;
    for (size_t j = c0; j < most && at + w->words[j] <= most_words(w->L); j++) {
        for (size_t n = j * w->L; n < (j + 1) * w->L; n++) {
            const cs_real *word = w->in.tokens + n * w->D;
            if (!is_word(w, n))
                continue;
            t->length[at] = cs_unit_forward(rows, w->D, word, t->words + at * w->D);
            at++;
        }
        t->start[++t->samples] = at;
    }
    CS_TYPED(cs_transpose)(at, w->D, cs_whole_lanes(at), t->words, w->D, t->columns);
}

/* First pass of one owner over the block. */
static void
absorb_owner(workspace *w, size_t owner, size_t thread)
{
    const cs_tiling *tiling = &w->states.tiling;
    size_t begin = owner * tiling->owned, end = cs_least(begin + tiling->owned, w->B);
    size_t R = w->block.images;
    cs_real scale = (cs_real)w->options->logit_scale;
    cs_real *scores = w->scores + owner * tiling->rows * tiling->columns;
    CS_TYPED(cs_word_tile) t = tile_of_thread(w, thread);
    CS_TYPED(cs_rows_and_columns_begin)(&w->states, owner, R);
    for (size_t c0 = begin; c0 < end; c0 += t.samples) {
        pack_captions(w, c0, end, &t);
        for (size_t r = 0; r < R; r++) {
            CS_TYPED(cs_word_tile_forward)(&w->block, r, &w->options->words, &t);
            for (size_t s = 0; s < t.samples; s++)
                scores[r * t.samples + s] = scale * t.z[s];
        }
        CS_TYPED(cs_rows_and_columns_absorb)(&w->states, owner, w->block.first, R, c0, t.samples,
                                             scores);
    }
}

/* Add the gradients of the tile's words to those of the tokens they came from. */
static void
store_words(const workspace *w, size_t c0, const CS_TYPED(cs_word_tile) *t, cs_real *dtokens)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t at = 0;
    for (size_t n = c0 * w->L; n < (c0 + t->samples) * w->L; n++) {
        if (!is_word(w, n))
            continue;
        cs_real inverse = t->length[at] == 0 ? 1 : 1 / t->length[at];
        rows->scale_add(w->D, inverse, t->dwords + at * w->D, 1, dtokens + n * w->D);
        rows->scale_add(w->D, -inverse * t->along[at], t->words + at * w->D, 1, dtokens + n * w->D);
        at++;
    }
}

/* Second pass: the gradient of the owner's captions, and its part of the block's. */
static void
gradient_of_owner(workspace *w, size_t owner, size_t thread, cs_real *dtokens)
{
    const cs_tiling *tiling = &w->states.tiling;
    size_t begin = owner * tiling->owned, end = cs_least(begin + tiling->owned, w->B);
    cs_real scale = (cs_real)w->options->logit_scale;
    cs_real *scores = w->scores + owner * tiling->rows * tiling->columns;
    double *dscales = w->dscales + owner * SCALES;
    CS_TYPED(cs_word_tile) t = tile_of_thread(w, thread);
    CS_TYPED(cs_image_block_clear)(&w->block, owner);
    for (size_t c0 = begin; c0 < end; c0 += t.samples) {
        pack_captions(w, c0, end, &t);
        memset(t.dwords, 0, t.start[t.samples] * w->D * sizeof(cs_real));
        memset(t.along, 0, t.start[t.samples] * sizeof(cs_real));
        t.dattention = t.dpool = 0;
        t.origin = w->states.matching[0] / scale;
        for (size_t r = 0; r < w->block.images; r++) {
            CS_TYPED(cs_word_tile_forward)(&w->block, r, &w->options->words, &t);
            for (size_t s = 0; s < t.samples; s++)
                scores[s] = scale * t.z[s];
            CS_TYPED(cs_rows_and_columns_gradient)(&w->states, w->block.first + r, c0, t.samples,
                                                   (cs_real)w->options->weight, scores, t.dz);
            for (size_t s = 0; s < t.samples; s++) {
                dscales[2] += (double)(t.dz[s] * (t.z[s] - t.origin));
                t.dz[s] *= scale;
            }
            CS_TYPED(cs_word_tile_backward)(&w->block, r, owner, c0 == begin, &w->options->words,
                                            &t);
        }
        dscales[0] += t.dattention;
        dscales[1] += t.dpool;
        store_words(w, c0, &t, dtokens);
    }
}

static void
open_states(workspace *w, const cs_groups *groups)
{
    for (size_t i = 0; i < w->B; i++) {
        w->words[i] = 0;
        for (size_t n = i * w->L; n < (i + 1) * w->L; n++)
            w->words[i] += (size_t)is_word(w, n);
        w->has_caption[i] = w->words[i] > 0;
        w->has_image[i] = w->in.patch_valid == NULL && w->P > 0;
        for (size_t n = i * w->P; w->in.patch_valid != NULL && n < (i + 1) * w->P; n++)
            w->has_image[i] |= w->in.patch_valid[n];
    }
    w->block.valid = w->in.patch_valid;
    w->block.unit = 0;
    w->block.use_gram = 1;
    CS_TYPED(cs_rows_and_columns_open)(w->has_image, w->has_caption, groups, &w->states);
}

cs_status
CS_TYPED(cs_gloria)(size_t B, size_t P, size_t L, size_t D, const CS_TYPED(cs_gloria_input) *in,
                    const cs_gloria_options *options, double *out, cs_real *dpatches,
                    cs_real *dtokens, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    int gradients = dpatches != NULL && dtokens != NULL;
    workspace w = layout(B, P, L, D, options->asked_rows, options->asked_columns, gradients,
                         cs_groups_match(&in->groups), threads, &arena);
    const cs_tiling *tiling = &w.states.tiling;
    memset(out, 0, (1 + SCALES) * sizeof(double));
    if (B == 0)
        return CS_OK;
    threads = cs_threads_for(threads, tiling->owners, tiling->rows * B * L * P * D);
    w.options = options;
    w.in = *in;
    open_states(&w, &in->groups);
    for (size_t r0 = 0; r0 < B; r0 += tiling->rows) {
        CS_TYPED(cs_image_block_pack)(r0, cs_least(tiling->rows, B - r0), in->patches, &w.block);
        CS_EACH_DYNAMIC(owner, thread, tiling->owners, threads, absorb_owner(&w, owner, thread));
        CS_TYPED(cs_rows_and_columns_merge)(&w.states, r0, w.block.images);
    }
    out[0] = CS_TYPED(cs_rows_and_columns_close)(&w.states);
    if (!gradients)
        return CS_OK;
    memset(dtokens, 0, B * L * D * sizeof(cs_real));
    memset(w.dscales, 0, tiling->owners * SCALES * sizeof(double));
    for (size_t r0 = 0; r0 < B; r0 += tiling->rows) {
        CS_TYPED(cs_image_block_pack)(r0, cs_least(tiling->rows, B - r0), in->patches, &w.block);
        CS_EACH_DYNAMIC(owner, thread, tiling->owners, threads,
                        gradient_of_owner(&w, owner, thread, dtokens));
        CS_TYPED(cs_image_block_finish)(&w.block, dpatches);
    }
    for (size_t i = 0; i < tiling->owners * SCALES; i++)
        out[1 + i % SCALES] += w.dscales[i];
    return CS_OK;
}
