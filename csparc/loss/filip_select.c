#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"
#include "loss/filip.h"
#include "loss/multiply.h"
#include "loss/tiling.h"

/* Images of a group compared at a time: each leaves its best similarity to every token. */
enum { IMAGES = 16 };

typedef struct {
    size_t P, L, D;
    const cs_real *patches, *tokens;
    const cs_filip_rules *rules;
    cs_real *patch_score; /* [B,P] */
    cs_real *token_score; /* [B,L] */
    cs_real *token_best;  /* [IMAGES, group, L] */
    char *rooms;
    size_t room_bytes;
} workspace;

/* One image and one caption: unit vectors of their valid rows. */
typedef struct {
    size_t patches, tokens;                       /* how many are valid */
    cs_real *rows, *columns, *token_rows;         /* [P,D], the same transposed, [L,D] */
    cs_real *similarity;                          /* [tokens, patches] */
    cs_real *patch_best;                          /* [patches] */
} room;

static size_t
layout_room(size_t P, size_t L, size_t D, cs_arena *arena, room *r)
{
    size_t before = arena->used;
    r->rows = cs_arena_take(arena, P * D * sizeof(cs_real));
    r->columns = cs_arena_take(arena, P * D * sizeof(cs_real));
    r->token_rows = cs_arena_take(arena, L * D * sizeof(cs_real));
    r->similarity = cs_arena_take(arena, P * L * sizeof(cs_real));
    r->patch_best = cs_arena_take(arena, P * sizeof(cs_real));
    return arena->used - before;
}

static workspace
layout(size_t B, size_t P, size_t L, size_t D, size_t group, size_t threads, cs_arena *arena)
{
    workspace w = {.P = P, .L = L, .D = D};
    cs_arena counter = {NULL, 0};
    room measured;
    w.patch_score = cs_arena_take(arena, B * P * sizeof(cs_real));
    w.token_score = cs_arena_take(arena, B * L * sizeof(cs_real));
    w.token_best = cs_arena_take(arena, IMAGES * cs_least(group, B) * L * sizeof(cs_real));
    w.room_bytes = layout_room(P, L, D, &counter, &measured);
    w.rooms = cs_arena_take(arena, threads * w.room_bytes);
    return w;
}

size_t
CS_TYPED(cs_filip_select_scratch)(size_t B, size_t P, size_t L, size_t D, size_t group,
                                  size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, P, L, D, group, threads, &counter);
    return counter.used;
}

static int
is_valid(const uint8_t *valid, size_t n)
{
    return valid == NULL || valid[n];
}

/* Unit vectors of the valid rows among first .. first+count; returns how many. */
static size_t
unit_rows(size_t first, size_t count, size_t D, const cs_real *x, const uint8_t *valid,
          cs_real *out)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t at = 0;
    for (size_t n = first; n < first + count; n++) {
        if (!is_valid(valid, n))
            continue;
        cs_real norm = cs_norm(rows, D, x + n * D);
        rows->scale_add(D, norm <= CS_DEAD_NORM ? 0 : 1 / norm, x + n * D, 0, out + at++ * D);
    }
    return at;
}

/* NaN beats everything, so that a bad row is kept and shows. */
static int
beats(cs_real score, cs_real other)
{
    return score > other || (score != score && other == other);
}

/* One caption's similarities to the image in the room: the best of every patch so far, and of the
 * caption's valid tokens. */
static void
compare_caption(const workspace *w, size_t caption, room *r, cs_real *token_best)
{
    const uint8_t *valid = w->rules->text_valid;
    size_t P = r->patches, at = 0;
    r->tokens = unit_rows(caption * w->L, w->L, w->D, w->tokens, valid, r->token_rows);
    /* Sums in one order for all entries, so that equal rows tie exactly. */
    cs_multiply(r->tokens, P, w->D, r->token_rows, w->D, 1, r->columns, P, 0, r->similarity, P);
    for (size_t k = 0; k < w->L; k++) {
        token_best[k] = (cs_real)-INFINITY;
        if (!is_valid(valid, caption * w->L + k))
            continue;
        const cs_real *row = r->similarity + at++ * P;
        for (size_t p = 0; p < P; p++) {
            r->patch_best[p] = beats(row[p], r->patch_best[p]) ? row[p] : r->patch_best[p];
            token_best[k] = beats(row[p], token_best[k]) ? row[p] : token_best[k];
        }
    }
}

/* One image against all captions of its group. */
static void
compare_image(const workspace *w, size_t image, size_t first, size_t samples, cs_real *token_best)
{
    const uint8_t *valid = w->rules->patch_valid;
    size_t P = w->P, L = w->L, D = w->D, at = 0;
    cs_arena arena = {w->rooms + (size_t)cs_thread_id() * w->room_bytes, 0};
    room r;
    (void)layout_room(P, L, D, &arena, &r);
    r.patches = unit_rows(image * P, P, D, w->patches, valid, r.rows);
    CS_TYPED(cs_transpose)(r.patches, D, r.patches, r.rows, D, r.columns);
    for (size_t p = 0; p < r.patches; p++)
        r.patch_best[p] = (cs_real)-INFINITY;
    for (size_t j = 0; j < samples; j++)
        compare_caption(w, first + j, &r, token_best + j * L);
    for (size_t n = image * P; n < (image + 1) * P; n++)
        if (is_valid(valid, n))
            w->patch_score[n] = r.patch_best[at++];
}

/* Scores of one group's rows. */
static void
score_group(const workspace *w, size_t first, size_t samples, size_t threads)
{
    size_t L = w->L;
    for (size_t block = first; block < first + samples; block += IMAGES) {
        size_t images = cs_least(IMAGES, first + samples - block);
        CS_PARALLEL_FOR_DYNAMIC_ON(threads)
        for (size_t r = 0; r < images; r++)
            compare_image(w, block + r, first, samples, w->token_best + r * samples * L);
        for (size_t r = 0; r < images; r++)
            for (size_t k = 0; k < samples * L; k++) {
                cs_real *own = w->token_score + first * L + k;
                cs_real best = w->token_best[r * samples * L + k];
                *own = beats(best, *own) ? best : *own;
            }
    }
}

/* Mark the `count` best valid rows of one sample. */
static void
keep_best(size_t N, size_t count, const cs_real *score, const uint8_t *valid, uint8_t *kept)
{
    memset(kept, 0, N);
    for (size_t taken = 0; taken < count; taken++) {
        size_t best = N;
        for (size_t n = 0; n < N; n++)
            if (!kept[n] && is_valid(valid, n) && (best == N || beats(score[n], score[best])))
                best = n;
        if (best == N)
            return;
        kept[best] = 1;
    }
}

cs_status
CS_TYPED(cs_filip_select)(size_t B, size_t P, size_t L, size_t D, const cs_real *patches,
                          const cs_real *tokens, const cs_filip_rules *rules, uint8_t *kept_patches,
                          uint8_t *kept_tokens, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    workspace w = layout(B, P, L, D, rules->group, threads, &arena);
    w.patches = patches;
    w.tokens = tokens;
    w.rules = rules;
    for (size_t n = 0; n < B * P; n++)
        w.patch_score[n] = (cs_real)-INFINITY;
    for (size_t n = 0; n < B * L; n++)
        w.token_score[n] = (cs_real)-INFINITY;
    for (size_t first = 0; first < B; first += rules->group)
        score_group(&w, first, cs_least(rules->group, B - first), threads);
    CS_PARALLEL_FOR
    for (size_t i = 0; i < B; i++) {
        const uint8_t *patch_valid = rules->patch_valid, *text_valid = rules->text_valid;
        keep_best(P, rules->patch_count, w.patch_score + i * P,
                  patch_valid == NULL ? NULL : patch_valid + i * P, kept_patches + i * P);
        keep_best(L, rules->token_count, w.token_score + i * L,
                  text_valid == NULL ? NULL : text_valid + i * L, kept_tokens + i * L);
    }
    return CS_OK;
}
