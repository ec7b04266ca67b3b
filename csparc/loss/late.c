#include "loss/late.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/rows.h"
#include "loss/contrast_row.h"
#include "loss/kernels.h"
#include "loss/multiply.h"
#include "loss/pair_kernels.h"
#include "loss/tiling.h"
#include "loss/winners.h"

enum { KEYS = 128, MOST_ROWS = 16, BLOCK_BYTES = 48 << 20 };

/* Keys of a few samples, packed: what one thread works with. */
typedef struct {
    size_t first, samples;
    size_t *start;       /* [samples + 1] */
    cs_real *rows;       /* [start[samples], D] unit vectors */
    cs_real *drows;      /* the same for gradients */
    cs_real *similarity; /* [keys, queries] */
    cs_real *best;       /* [queries] */
    CS_TYPED(cs_winner_room) room;
} tile;

typedef struct {
    size_t B, D;
    CS_TYPED(cs_late_side) query, key;
    const cs_groups *groups;
    cs_real scale;
    cs_tiling tiling;
    size_t most_samples;           /* of a tile */
    size_t *query_count, *key_count; /* [B] */
    size_t first, samples;         /* the block */
    cs_real *rows;                 /* [rows, Q, D] its queries as unit vectors */
    cs_real *columns;              /* [rows, D, Q] the same, transposed */
    cs_real *partial;              /* [owners, rows, Q, D] */
    uint16_t *winner;              /* [rows, B, Q] */
    cs_real *score;                /* [rows, B] X, then dloss/dX times 1 / number of queries */
    char *tiles;
    size_t tile_bytes;
} workspace;

static size_t
layout_tile(size_t query_rows, size_t key_rows, size_t D, size_t samples, cs_arena *arena, tile *t)
{
    size_t before = arena->used, keys = key_rows > KEYS ? key_rows : KEYS;
    t->start = cs_arena_take(arena, (samples + 1) * sizeof(size_t));
    t->rows = cs_arena_take(arena, keys * D * sizeof(cs_real));
    t->drows = cs_arena_take(arena, keys * D * sizeof(cs_real));
    t->similarity = cs_arena_take(arena, keys * query_rows * sizeof(cs_real));
    t->best = cs_arena_take(arena, query_rows * sizeof(cs_real));
    CS_TYPED(cs_winner_room_layout)(query_rows, samples, key_rows, arena, &t->room);
    return arena->used - before;
}

/* Samples of a block, so that what grows with them stays within BLOCK_BYTES. */
static size_t
block_rows(size_t B, size_t query_rows, size_t D, size_t owners)
{
    size_t bytes = query_rows * (owners + 2) * D * sizeof(cs_real) + query_rows * B * 2;
    size_t rows = bytes > 0 ? BLOCK_BYTES / bytes : MOST_ROWS;
    return rows < 1 ? 1 : cs_least(rows, MOST_ROWS);
}

static workspace
layout(size_t B, size_t Q, size_t key_rows, size_t D, long long asked_rows,
       long long asked_columns, size_t threads, cs_arena *arena)
{
    workspace w = {.B = B, .D = D};
    size_t owners = cs_tiling_of(B, 1, 1, 0, asked_columns).owners;
    w.tiling = cs_tiling_of(B, block_rows(B, Q, D, owners), 1, asked_rows, asked_columns);
    w.most_samples = asked_columns > 0 ? w.tiling.columns : w.tiling.owned;
    size_t rows = w.tiling.rows;
    cs_arena counter = {NULL, 0};
    tile measured;
    w.query_count = cs_arena_take(arena, B * sizeof(size_t));
    w.key_count = cs_arena_take(arena, B * sizeof(size_t));
    w.rows = cs_arena_take(arena, rows * Q * D * sizeof(cs_real));
    w.columns = cs_arena_take(arena, rows * Q * D * sizeof(cs_real));
    w.partial = cs_arena_take(arena, owners * rows * Q * D * sizeof(cs_real));
    w.winner = cs_arena_take(arena, rows * B * Q * sizeof(uint16_t));
    w.score = cs_arena_take(arena, rows * B * sizeof(cs_real));
    w.tile_bytes = layout_tile(Q, key_rows, D, w.most_samples, &counter, &measured);
    w.tiles = cs_arena_take(arena, threads * w.tile_bytes);
    return w;
}

size_t
CS_TYPED(cs_late_scratch)(size_t B, size_t query_rows, size_t key_rows, size_t D,
                          long long asked_rows, long long asked_columns, size_t threads)
{
    cs_arena counter = {NULL, 0};
    (void)layout(B, query_rows, key_rows, D, asked_rows, asked_columns, threads, &counter);
    return counter.used;
}

static tile
tile_of_thread(const workspace *w)
{
    tile t;
    cs_arena arena = {w->tiles + (size_t)cs_thread_id() * w->tile_bytes, 0};
    (void)layout_tile(w->query.N, w->key.N, w->D, w->most_samples, &arena, &t);
    return t;
}

static size_t
count_rows(const CS_TYPED(cs_late_side) *side, size_t sample)
{
    size_t count = 0;
    for (size_t n = 0; n < side->N; n++)
        count += side->mask == NULL || side->mask[sample * side->N + n];
    return count;
}

/* Unit vectors of a sample's rows that take part, in order. */
static void
pack(const CS_TYPED(cs_late_side) *side, size_t D, size_t sample, cs_real *out)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    for (size_t n = sample * side->N; n < (sample + 1) * side->N; n++) {
        if (side->mask != NULL && !side->mask[n])
            continue;
        rows->scale_add(D, side->norm[n] == 0 ? 0 : 1 / side->norm[n], side->x + n * D, 0, out);
        out += D;
    }
}

static void
pack_queries(const workspace *w, size_t r)
{
    size_t at = r * w->query.N * w->D, count = w->query_count[w->first + r];
    pack(&w->query, w->D, w->first + r, w->rows + at);
    CS_TYPED(cs_transpose)(count, w->D, count, w->rows + at, w->D, w->columns + at);
}

/* The next samples from `first` on, before `end`, whose keys fit a tile (at least one). */
static void
next_tile(const workspace *w, size_t first, size_t end, tile *t)
{
    size_t keys = 0, room = w->key.N > KEYS ? w->key.N : KEYS;
    t->first = first;
    t->samples = 0;
    t->start[0] = 0;
    while (first + t->samples < end && t->samples < w->most_samples &&
           keys + w->key_count[first + t->samples] <= room) {
        pack(&w->key, w->D, first + t->samples, t->rows + keys * w->D);
        keys += w->key_count[first + t->samples++];
        t->start[t->samples] = keys;
    }
}

/* Scores and winners of the block against one owner's samples. */
static void
score_owner(const workspace *w, size_t owner)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    size_t begin = owner * w->tiling.owned, end = cs_least(begin + w->tiling.owned, w->B);
    size_t D = w->D, N = w->query.N;
    tile t = tile_of_thread(w);
    for (size_t first = begin; first < end; first += t.samples) {
        next_tile(w, first, end, &t);
        for (size_t r = 0; r < w->samples; r++) {
            size_t Q = w->query_count[w->first + r], keys = t.start[t.samples];
            cs_multiply(keys, Q, D, t.rows, D, 1, w->columns + r * N * D, Q, 0, t.similarity, Q);
            for (size_t s = 0; s < t.samples; s++) {
                size_t j = first + s, own = t.start[s + 1] - t.start[s];
                cs_real sum = own == 0 || Q == 0
                                  ? 0
                                  : kernels->best_rows(own, Q, t.similarity + t.start[s] * Q,
                                                       t.best, w->winner + (r * w->B + j) * N);
                w->score[r * w->B + j] = sum / (cs_real)(Q > 0 ? Q : 1);
            }
        }
    }
}

/* One row of X contrasted; it becomes the gradient by the similarity of each winner. */
static void
contrast_row(const workspace *w, size_t r, double *out)
{
    size_t i = w->first + r;
    cs_real *score = w->score + r * w->B;
    if (w->query_count[i] == 0 || w->key_count[i] == 0) {
        memset(score, 0, w->B * sizeof(cs_real));
        return;
    }
    CS_TYPED(cs_contrast_row)(w->B, i, w->key_count, w->groups, w->scale,
                              w->scale / (cs_real)w->query_count[i], score, out);
}

/* Gradients through the winners among one owner's samples. */
static void
gradient_of_owner(const workspace *w, size_t owner)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t begin = owner * w->tiling.owned, end = cs_least(begin + w->tiling.owned, w->B);
    size_t D = w->D, N = w->query.N;
    cs_real *partial = w->partial + owner * w->tiling.rows * N * D;
    tile t = tile_of_thread(w);
    memset(partial, 0, w->samples * N * D * sizeof(cs_real));
    for (size_t first = begin; first < end; first += t.samples) {
        next_tile(w, first, end, &t);
        memset(t.drows, 0, t.start[t.samples] * D * sizeof(cs_real));
        for (size_t r = 0; r < w->samples; r++) {
            const uint16_t *winner = w->winner + (r * w->B + first) * N;
            size_t Q = w->query_count[w->first + r];
            const cs_real *h = w->score + r * w->B + first;
            CS_TYPED(cs_winners_to_queries)(Q, t.samples, D, t.start, winner, N, h, t.rows,
                                            &t.room, partial + r * N * D);
            for (size_t s = 0; s < t.samples; s++)
                if (t.start[s + 1] > t.start[s])
                    CS_TYPED(cs_winners_to_keys)(Q, t.start[s + 1] - t.start[s], D,
                                                 winner + s * N, h[s], w->rows + r * N * D,
                                                 &t.room, t.drows + t.start[s] * D);
        }
        size_t at = 0;
        for (size_t n = first * w->key.N; n < (first + t.samples) * w->key.N; n++)
            if (w->key.mask == NULL || w->key.mask[n])
                rows->scale_add(D, 1, t.drows + at++ * D, 1, w->key.dx + n * D);
    }
}

/* The owners' parts of one query sample's gradient, in order. */
static void
sum_partials(const workspace *w, size_t r)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t N = w->query.N, D = w->D, q = 0;
    for (size_t n = (w->first + r) * N; n < (w->first + r + 1) * N; n++) {
        if (w->query.mask != NULL && !w->query.mask[n])
            continue;
        for (size_t owner = 0; owner < w->tiling.owners; owner++)
            rows->scale_add(D, 1, w->partial + ((owner * w->tiling.rows + r) * N + q) * D, 1,
                            w->query.dx + n * D);
        q++;
    }
}

cs_status
CS_TYPED(cs_late)(size_t B, size_t D, const CS_TYPED(cs_late_side) *queries,
                  const CS_TYPED(cs_late_side) *keys, const cs_groups *groups, cs_real scale,
                  long long asked_rows, long long asked_columns, double *out, size_t threads,
                  void *scratch)
{
    cs_arena arena = {scratch, 0};
    workspace w =
        layout(B, queries->N, keys->N, D, asked_rows, asked_columns, threads, &arena);
    if (keys->N > UINT16_MAX)
        return CS_ESHAPE;
    w.query = *queries;
    w.key = *keys;
    w.groups = groups;
    w.scale = scale;
    for (size_t i = 0; i < B; i++) {
        w.query_count[i] = count_rows(queries, i);
        w.key_count[i] = count_rows(keys, i);
    }
    for (w.first = 0; w.first < B; w.first += w.tiling.rows) {
        w.samples = cs_least(w.tiling.rows, B - w.first);
        CS_PARALLEL_FOR
        for (size_t r = 0; r < w.samples; r++)
            pack_queries(&w, r);
        CS_PARALLEL_FOR_DYNAMIC_ON(threads)
        for (size_t owner = 0; owner < w.tiling.owners; owner++)
            score_owner(&w, owner);
        for (size_t r = 0; r < w.samples; r++)
            contrast_row(&w, r, out);
        if (queries->dx == NULL || keys->dx == NULL)
            continue;
        CS_PARALLEL_FOR_DYNAMIC_ON(threads)
        for (size_t owner = 0; owner < w.tiling.owners; owner++)
            gradient_of_owner(&w, owner);
        CS_PARALLEL_FOR
        for (size_t r = 0; r < w.samples; r++)
            sum_partials(&w, r);
    }
    return CS_OK;
}
