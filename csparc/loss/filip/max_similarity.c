#include "loss/filip/max_similarity.h"

#include <string.h>

#include "base/arena.h"
#include "base/real.h"
#include "la/multiply.h"
#include "loss/entropy/one_row.h"
#include "loss/entropy/tiling.h"
#include "loss/filip/max_backward.h"
#include "loss/filip/valid_rows.h"
#include "loss/kernels/pairs.h"

/* Limits. A block: its queries, so that CS_CHUNK columns of them and of their gradients fit the
 * second cache; its samples; the bytes of its winners, which grow with B. A tile: its samples. */
enum { QUERIES = 1568, MOST_ROWS = 64, MOST_SAMPLES = 32, BLOCK_BYTES = 48 << 20 };

/* Keys of a few samples: what one thread works with. */
typedef struct {
    cs_real *rows;       /* [keys, D] unit vectors */
    cs_real *similarity; /* [keys, CS_PANEL] */
    cs_real *best;       /* [samples, columns] */
} tile;

typedef struct {
    size_t B, D;
    const CS_TYPED(cs_late_side) *query_side, *key_side;
    CS_TYPED(cs_taken_rows) query, key;
    size_t *key_count; /* [B] */
    const cs_groups *groups;
    cs_real scale;
    cs_tiling tiling;
    size_t most_samples, most_queries; /* of a tile, of a block */
    size_t first, samples, queries;    /* the block: its samples and their queries */
    cs_real *columns;                  /* [panels, D, width] queries of the block */
    uint16_t *winner;                  /* [B, most_queries] */
    cs_real *score;                    /* [rows, B] X, then dloss/dX / number of queries */
    cs_real *packed;                   /* [threads, CS_PANEL, D] */
    char *tiles, *chunks;
    size_t tile_bytes;
} workspace;

static size_t
layout_tile(size_t key_rows, size_t D, size_t samples, size_t queries, cs_arena *arena, tile *t)
{
    size_t before = arena->used, keys = key_rows > CS_KEYS ? key_rows : CS_KEYS;
    t->rows = CS_TAKE(arena, cs_real, keys, D);
    t->similarity = CS_TAKE(arena, cs_real, keys, CS_PANEL);
    t->best = CS_TAKE(arena, cs_real, samples, queries);
    return arena->used - before;
}

/* Samples of a block. */
static size_t
block_rows(size_t B, size_t Q)
{
    size_t pairs = cs_size_plus(CS_SIZE(2, Q, B), 1);
    size_t rows = Q > 0 ? cs_least(QUERIES / Q, BLOCK_BYTES / pairs) : MOST_ROWS;
    return rows < 1 ? 1 : cs_least(rows, MOST_ROWS);
}

static workspace
layout(size_t B, size_t Q, size_t key_rows, size_t D, long long asked_rows,
       long long asked_columns, size_t threads, cs_arena *arena)
{
    workspace w = {.B = B, .D = D};
    cs_arena counter = {NULL, 0};
    tile measured;
    w.tiling = cs_tiling_of(B, block_rows(B, Q), 1, asked_rows, asked_columns);
    w.most_samples = cs_least(asked_columns > 0 ? w.tiling.columns : w.tiling.owned, MOST_SAMPLES);
    /* The last panel may reach beyond the last query. */
    size_t rows = w.tiling.rows, panels = CS_TYPED(cs_panel_count)(cs_size_times(rows, Q));
    w.most_queries = cs_size_times(panels, CS_PANEL);
    CS_TYPED(cs_taken_rows_layout)(B, Q, D, arena, &w.query);
    CS_TYPED(cs_taken_rows_layout)(B, key_rows, D, arena, &w.key);
    w.key_count = CS_TAKE(arena, size_t, B);
    w.columns = CS_TAKE(arena, cs_real, w.most_queries, D);
    w.winner = CS_TAKE(arena, uint16_t, B, w.most_queries);
    w.score = CS_TAKE(arena, cs_real, rows, B);
    w.packed = CS_TAKE(arena, cs_real, threads, CS_PANEL, D);
    w.tile_bytes = layout_tile(key_rows, D, w.most_samples, w.most_queries, &counter, &measured);
    w.tiles = CS_TAKE(arena, char, threads, w.tile_bytes);
    size_t chunk_bytes = CS_TYPED(cs_winners_scratch)(cs_size_times(rows, Q), key_rows);
    w.chunks = CS_TAKE(arena, char, threads, chunk_bytes);
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

/* X_ij of every sample i of the block and sample j, from the best similarities of its queries. */
static void
average(const workspace *w, size_t j, const cs_real *best)
{
    for (size_t r = 0; r < w->samples; r++) {
        size_t count = CS_TYPED(cs_taken_of)(&w->query, w->first + r);
        cs_real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t q = 0; q < count; q++)
            sum += best[q];
        best += count;
        w->score[r * w->B + j] = count == 0 || w->key_count[j] == 0 ? 0 : sum / (cs_real)count;
    }
}

/* Scores and winners of the block against samples j .. end. */
static void
score_tile(const workspace *w, size_t j, size_t end, const tile *t)
{
    const CS_TYPED(cs_pair_kernels) *kernels = CS_TYPED(cs_pair_kernels_in_use)();
    size_t D = w->D, first = w->key.start[j], keys = w->key.start[end] - first;
    size_t width = CS_TYPED(cs_panel_width)(w->queries);
    CS_TYPED(cs_taken_rows_pack)(&w->key, first, keys, t->rows);
    for (size_t c0 = 0; c0 < w->queries; c0 += width) {
        size_t lanes = cs_least(width, cs_whole_lanes(w->queries - c0));
        cs_multiply(keys, lanes, D, t->rows, D, 1, w->columns + c0 * D, width, 0, t->similarity,
                    lanes);
        for (size_t s = j; s < end; s++)
            if (w->key_count[s] > 0)
                kernels->best_rows(w->key_count[s], lanes,
                                   t->similarity + (w->key.start[s] - first) * lanes,
                                   t->best + (s - j) * w->most_queries + c0,
                                   w->winner + s * w->most_queries + c0);
    }
    for (size_t s = j; s < end; s++)
        average(w, s, t->best + (s - j) * w->most_queries);
}

static void
score_owner(const workspace *w, size_t owner, size_t thread)
{
    size_t begin = owner * w->tiling.owned, end = cs_least(begin + w->tiling.owned, w->B);
    cs_arena arena = {w->tiles + thread * w->tile_bytes, 0};
    tile t;
    (void)layout_tile(w->key.N, w->D, w->most_samples, w->most_queries, &arena, &t);
    for (size_t j = begin, next; j < end; j = next) {
        next = j + CS_TYPED(cs_next_samples)(&w->key, j, end, w->most_samples, CS_KEYS);
        score_tile(w, j, next, &t);
    }
}

/* Cross-entropy of one row of X, which becomes the gradient by the similarity of each winner. */
static void
contrast_row(const workspace *w, size_t r, double *out)
{
    size_t i = w->first + r, count = CS_TYPED(cs_taken_of)(&w->query, i);
    cs_real *score = w->score + r * w->B;
    if (count == 0 || w->key_count[i] == 0) {
        memset(score, 0, w->B * sizeof(cs_real));
        return;
    }
    CS_TYPED(cs_contrast_row)(w->B, i, w->key_count, w->groups, w->scale,
                              w->scale / (cs_real)count, score, out);
}

static void
gradients(const workspace *w, size_t threads)
{
    CS_TYPED(cs_winners)
    winners = {w->B,
               &w->query,
               &w->key,
               w->first,
               w->samples,
               w->winner,
               w->most_queries,
               w->score,
               w->most_samples,
               w->query_side->dx,
               w->key_side->dx};
    CS_TYPED(cs_winners_backward)(&winners, w->tiling.rows * w->query.N, threads, w->chunks);
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
    w.query_side = queries;
    w.key_side = keys;
    w.groups = groups;
    w.scale = scale;
    CS_TYPED(cs_taken_rows_list)(B, queries->x, queries->norm, queries->mask, &w.query);
    CS_TYPED(cs_taken_rows_list)(B, keys->x, keys->norm, keys->mask, &w.key);
    for (size_t i = 0; i < B; i++)
        w.key_count[i] = CS_TYPED(cs_taken_of)(&w.key, i);
    for (w.first = 0; w.first < B; w.first += w.tiling.rows) {
        w.samples = cs_least(w.tiling.rows, B - w.first);
        w.queries = w.query.start[w.first + w.samples] - w.query.start[w.first];
        CS_TYPED(cs_taken_rows_panels)(&w.query, w.query.start[w.first], w.queries, threads,
                                       w.packed, w.columns);
        size_t terms = w.queries * w.key.start[B] * D;
        CS_EACH_DYNAMIC(owner, thread, w.tiling.owners,
                        cs_threads_for(threads, w.tiling.owners, terms),
                        score_owner(&w, owner, thread));
        for (size_t r = 0; r < w.samples; r++)
            contrast_row(&w, r, out);
        if (queries->dx != NULL && keys->dx != NULL)
            gradients(&w, threads);
    }
    return CS_OK;
}
