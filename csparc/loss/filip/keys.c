/* Which rows FILIP keeps as keys: the choice within drop groups. */
#include <string.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/real.h"
#include "la/multiply.h"
#include "la/norm.h"
#include "la/rows.h"
#include "loss/filip/filip.h"
#include "loss/filip/valid_rows.h"
#include "loss/kernels/pairs.h"

/* Patches of a drop group compared at a time, as columns; tokens of a tile where no caption has
 * more. */
enum { PATCHES = 1568, TOKENS = 128 };

typedef struct {
    size_t P, L, D, captions;         /* most captions of a tile */
    CS_TYPED(cs_taken_rows) patch, token;
    cs_real *patch_norm, *token_norm; /* [B,P], [B,L] */
    cs_real *patch_best, *token_best; /* [B P], [B L] in the order of patch, token */
    cs_real *columns;                 /* [panels,D,width] the patches compared now */
    cs_real *tile_best;               /* [tiles of a drop group, patches compared at a time] */
    size_t images, panels;            /* compared at a time: images, panels at most */
    cs_real *packed;                  /* [threads, CS_PANEL D] */
    cs_real *tiles;                   /* per thread: a tile's tokens [.,D], similarities */
    size_t tile_size;
} workspace;

static size_t
most_tokens(size_t L)
{
    return L > TOKENS ? L : TOKENS;
}

static workspace
layout(size_t B, size_t P, size_t L, size_t D, size_t drop_group, size_t threads,
       cs_arena *arena)
{
    workspace w = {.P = P, .L = L, .D = D, .captions = L > 0 ? most_tokens(L) / L : 1};
    size_t tiles = cs_ceil_divide(cs_least(drop_group, B), w.captions);
    w.images = cs_least(P > 0 && P < PATCHES ? PATCHES / P : 1, cs_least(drop_group, B));
    w.panels = CS_TYPED(cs_panel_count)(cs_size_times(w.images, P));
    w.tile_size = cs_size_times(most_tokens(L), cs_size_plus(D, CS_PANEL));
    CS_TYPED(cs_taken_rows_layout)(B, P, D, arena, &w.patch);
    CS_TYPED(cs_taken_rows_layout)(B, L, D, arena, &w.token);
    w.patch_norm = CS_TAKE(arena, cs_real, B, P);
    w.token_norm = CS_TAKE(arena, cs_real, B, L);
    w.patch_best = CS_TAKE(arena, cs_real, B, P);
    w.token_best = CS_TAKE(arena, cs_real, B, L);
    w.columns = CS_TAKE(arena, cs_real, w.panels, CS_PANEL, D);
    w.tile_best = CS_TAKE(arena, cs_real, tiles, w.images, P);
    w.packed = CS_TAKE(arena, cs_real, threads, CS_PANEL, D);
    w.tiles = CS_TAKE(arena, cs_real, threads, w.tile_size);
    return w;
}

size_t
CS_TYPED(cs_filip_select_scratch)(size_t B, size_t P, size_t L, size_t D, size_t drop_group,
                                  size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, P, L, D, drop_group, threads, &counter);
    return counter.used;
}

static int
is_valid(const uint8_t *valid, size_t n)
{
    return valid == NULL || valid[n];
}

/* Length of a valid row, 0 for a dead one. */
static cs_real
length_of(size_t n, size_t D, const cs_real *x, const uint8_t *valid)
{
    return is_valid(valid, n) ? cs_live_norm(CS_TYPED(cs_rows)(), D, x + n * D) : 0;
}

static void
measure(size_t N, size_t D, const cs_real *x, const uint8_t *valid, cs_real *norm)
{
    CS_EACH(n, N, cs_threads_for_entries(N, N * D), norm[n] = length_of(n, D, x, valid));
}

/* NaN beats everything, so that a row with one is kept and shows. */
static int
beats(cs_real score, cs_real other)
{
    return score > other || (score != score && other == other);
}

/* The next captions from j on, before `end`, against the `patches` compared now: tile_best
 * [patches] takes each patch's best similarity in this tile, token_best is raised to those of the
 * tokens. `rows` is the thread's tile. Sums run in one order for all entries, so equal rows tie
 * exactly. */
static void
compare_captions(const workspace *w, size_t j, size_t end, size_t patches, cs_real *rows,
                 cs_real *tile_best)
{
    size_t D = w->D, place = w->token.start[j], next = cs_least(j + w->captions, end);
    size_t tokens = w->token.start[next] - place;
    size_t width = CS_TYPED(cs_panel_width)(patches);
    cs_real *similarity = rows + most_tokens(w->L) * D;
    CS_TYPED(cs_taken_rows_pack)(&w->token, place, tokens, rows);
    for (size_t k = 0; k < patches; k++)
        tile_best[k] = (cs_real)-INFINITY;
    for (size_t c0 = 0; c0 < patches; c0 += width) {
        size_t count = cs_least(width, patches - c0), lanes = cs_whole_lanes(count);
        cs_multiply(tokens, lanes, D, rows, D, 1, w->columns + c0 * D, width, 0, similarity, lanes);
        CS_TYPED(cs_pair_kernels_in_use)()->raise_bests(tokens, count, similarity, lanes,
                                                        w->token_best + place, tile_best + c0);
    }
}

/* The best similarities of the rows of one drop group, samples begin .. end. */
static void
compare_drop_group(const workspace *w, size_t begin, size_t end, size_t threads)
{
    size_t tiles = cs_ceil_divide(end - begin, w->captions);
    for (size_t i = begin, next; i < end; i = next) {
        next = cs_least(i + w->images, end);
        size_t first = w->patch.start[i], patches = w->patch.start[next] - first;
        CS_TYPED(cs_taken_rows_panels)(&w->patch, first, patches, threads, w->packed, w->columns);
        size_t tokens = w->token.start[end] - w->token.start[begin];
        CS_EACH_DYNAMIC(tile, thread, tiles,
                        cs_threads_for(threads, tiles, patches * tokens * w->D),
                        compare_captions(w, begin + tile * w->captions, end, patches,
                                         w->tiles + thread * w->tile_size,
                                         w->tile_best + tile * patches));
        for (size_t k = 0; k < tiles * patches; k++) {
            cs_real *own = w->patch_best + first + k % patches;
            *own = beats(w->tile_best[k], *own) ? w->tile_best[k] : *own;
        }
    }
}

/* Mark in kept [N] the `count` rows of one sample with the highest scores. index [valid] are the
 * numbers of its valid rows in the batch, in which the sample begins with row `first`. */
static void
keep_best(size_t N, size_t count, size_t first, const size_t *index, size_t valid,
          const cs_real *score, uint8_t *kept)
{
    memset(kept, 0, N);
    for (size_t taken = 0; taken < cs_least(count, valid); taken++) {
        size_t best = valid;
        for (size_t k = 0; k < valid; k++)
            if (!kept[index[k] - first] && (best == valid || beats(score[k], score[best])))
                best = k;
        kept[index[best] - first] = 1;
    }
}

/* The same for the patches, or the tokens, of all samples. */
static void
keep_side(size_t B, size_t count, const CS_TYPED(cs_taken_rows) *taken, const cs_real *best,
          uint8_t *kept)
{
    CS_EACH(i, B, cs_threads_for_entries(B, B * taken->N * count),
            keep_best(taken->N, count, i * taken->N, taken->index + taken->start[i],
                      CS_TYPED(cs_taken_of)(taken, i), best + taken->start[i],
                      kept + i * taken->N));
}

cs_status
CS_TYPED(cs_filip_select)(size_t B, size_t P, size_t L, size_t D, const cs_real *patches,
                          const cs_real *tokens, const cs_filip_rules *rules, uint8_t *kept_patches,
                          uint8_t *kept_tokens, size_t threads, void *scratch)
{
    cs_arena arena = {scratch, 0};
    workspace w = layout(B, P, L, D, rules->drop_group, threads, &arena);
    measure(B * P, D, patches, rules->patch_valid, w.patch_norm);
    measure(B * L, D, tokens, rules->text_valid, w.token_norm);
    CS_TYPED(cs_taken_rows_list)(B, patches, w.patch_norm, rules->patch_valid, &w.patch);
    CS_TYPED(cs_taken_rows_list)(B, tokens, w.token_norm, rules->text_valid, &w.token);
    for (size_t n = 0; n < B * P; n++)
        w.patch_best[n] = (cs_real)-INFINITY;
    for (size_t n = 0; n < B * L; n++)
        w.token_best[n] = (cs_real)-INFINITY;
    for (size_t first = 0; first < B; first += rules->drop_group)
        compare_drop_group(&w, first, cs_least(first + rules->drop_group, B), threads);
    keep_side(B, rules->patch_count, &w.patch, w.patch_best, kept_patches);
    keep_side(B, rules->token_count, &w.token, w.token_best, kept_tokens);
    return CS_OK;
}
