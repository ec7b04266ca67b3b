#include "la/packed.h"

#include <string.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/real.h"
#include "base/threads.h"
#include "la/rows.h"

static void
add_bias(const CS_TYPED(cs_packed) *p, size_t i, size_t rows, size_t j, size_t columns)
{
    for (size_t m = i; m < i + rows; m++)
        CS_TYPED(cs_rows)()->scale_add(columns, 1, p->bias + j, 1, p->c + m * p->c_row + j);
}

#ifdef CS_FLOAT64

#include "la/gemm.h"

size_t
cs_packed_scratch_f64(size_t threads)
{
    (void)threads;
    return 0;
}

void
cs_packed_product_f64(const cs_packed_f64 *p, size_t threads, void *scratch)
{
    (void)threads;
    (void)scratch;
    if (p->start != NULL && p->start != p->c)
        for (size_t m = 0; m < p->M; m++)
            memcpy(p->c + m * p->c_row, p->start + m * p->start_row, p->N * sizeof *p->c);
    cs_gemm_parallel_f64(p->M, p->N, p->K, 1, p->a, p->a_row, p->a_col, p->b, p->b_row, p->b_col,
                         p->start != NULL, p->c, p->c_row, 1);
    if (p->bias != NULL)
        add_bias(p, 0, p->M, 0, p->N);
}

#else

#include "la/packed_operands.h"
#include "la/panels.h"

enum { TILE = 14 };

/* Of a turned product (below): rows it takes at a time, whole tiles, and width of its panels. */
enum { TURNED_ROWS = 448, TURNED_PANEL = 64 };

/* What a thread packs, and results that are still to be turned; a cut of rows is followed by what
 * sets its runs apart. */
typedef struct {
    float *panels, *rows, *spare, *turned;
} packed;

static packed
lay(cs_arena *arena)
{
    enum { APART = 32, WIDEST = CS_PACKED_STRIP + CS_PACKED_PAD, ROWS = CS_PACKED_FEW };
    return (packed){CS_TAKE(arena, float, CS_PACKED_DEPTH, WIDEST),
                    CS_TAKE(arena, float, ROWS + APART, CS_PACKED_DEPTH + APART),
                    CS_TAKE(arena, float, CS_PACKED_WIDEST, CS_PACKED_DEPTH),
                    CS_TAKE(arena, float, TURNED_ROWS, CS_PACKED_FEW)};
}

static size_t
thread_bytes(void)
{
    cs_arena arena = {NULL, 0};
    lay(&arena);
    return arena.used;
}

static packed
room_of(char *scratch, size_t thread)
{
    cs_arena mine = {scratch + thread * thread_bytes(), 0};
    return lay(&mine);
}

size_t
cs_packed_scratch_f32(size_t threads)
{
    return cs_size_times(threads, thread_bytes());
}

/* How c is cut: blocks of `tall` rows by `wide` columns, `across` of them in a row. */
typedef struct {
    size_t panel, tall, wide, across, blocks;
} cut;

/* c cut into `down` by `across` blocks at least, in whole panels of which the last is widest. */
static cut
cut_into(const cs_packed_f32 *p, size_t panel, size_t down, size_t across)
{
    const size_t panels = cs_packed_panels(p->N, panel);
    const size_t wide = cs_ceil_divide(panels, across);
    const size_t tall = cs_ceil_divide(cs_ceil_divide(p->M, down), TILE) * TILE;
    const size_t strips = cs_ceil_divide(panels, wide);
    return (cut){panel, tall, wide * panel, strips, strips * cs_ceil_divide(p->M, tall)};
}

/* Multiply-adds, in that of a row by a column, until the last thread is done: a block, the copies
 * made for it, counted by what they were measured to take, and a part of a block for threads that
 * do not keep step. */
static double
cost_of(const cut *c, size_t threads)
{
    const double per_column = 15, per_row = 9, uneven = 0.02;
    const double block = (double)c->tall * (double)c->wide + per_column * (double)c->wide +
                         per_row * (double)c->tall;
    return ((double)cs_ceil_divide(c->blocks, threads) + uneven) * block;
}

static cut
cut_for(const cs_packed_f32 *p, size_t threads)
{
    const size_t panel = cs_panel_columns_f32();
    const size_t fewest = cs_ceil_divide(p->N, CS_PACKED_STRIP);
    cut best = cut_into(p, panel, 1, fewest);
    for (size_t down = 1; down <= 2 * threads && threads > 1; down++) {
        for (size_t across = fewest; across <= fewest + threads; across++) {
            const cut found = cut_into(p, panel, down, across);
            if (cost_of(&found, threads) < cost_of(&best, threads))
                best = found;
        }
    }
    return best;
}

/* Fetch where the sums of the next panel go, and what they start from. */
static void
fetch_ahead(const cs_packed_f32 *p, const cs_packed_part *part, size_t j, size_t columns)
{
    enum { LINE = 16 };
    const int starts = part->k == 0 && p->start != NULL && p->start != p->c;
    for (size_t m = part->i; m < part->i + part->rows; m++) {
        for (size_t n = j; n < j + columns; n += LINE) {
            __builtin_prefetch(p->c + m * p->c_row + n, 1, 2);
            if (starts)
                __builtin_prefetch(p->start + m * p->start_row + n, 0, 2);
        }
    }
}

/* Where the sums of a part from column j on start and go. */
static cs_result_f32
sums_of(const cs_packed_f32 *p, const cs_packed_part *part, size_t j)
{
    float *c = p->c + part->i * p->c_row + j;
    cs_result_f32 result = {.c = c, .c_row = p->c_row, .rows = c, .rows_row = p->c_row,
                            .hints = CS_FETCH_SUMS};
    if (part->k == 0) {
        result.rows = p->start == NULL ? NULL : p->start + part->i * p->start_row + j;
        result.rows_row = p->start_row;
        result.hints = result.rows == c ? CS_FETCH_SUMS : 0;
    }
    if (p->is_turned)
        result.hints |= CS_FETCH;
    return result;
}

/* Copies of b pay for themselves where enough rows use them. */
static int
is_in_place(const cs_packed_f32 *p, const cs_packed_form *form)
{
    return form->pair == 1 && p->b_col == 1 && p->M <= CS_PACKED_FEW && p->panels == NULL;
}

/* Panels that come from memory are read once by all of a few rows. */
static size_t
rows_at_once(const cs_packed_f32 *p)
{
    return p->panels != NULL && p->M <= CS_PACKED_FEW ? CS_PACKED_FEW : CS_PACKED_ROWS;
}

/* What is added after the last terms, from column j on. */
static const float *
bias_of(const cs_packed_f32 *p, const cs_packed_part *part, size_t j)
{
    return p->bias != NULL && part->k + part->depth == p->K ? p->bias + j : NULL;
}

/* The sums of a few rows go on by the terms of a part. */
static void
add_part(const cs_packed_f32 *p, const cs_packed_form *form, const cs_packed_part *part,
         size_t panel, const packed *room)
{
    const cs_packed_rows a = form->rows(p, part, room->rows);
    const size_t depth = cs_ceil_divide(part->depth, form->pair);
    const float *b = p->panels == NULL
                         ? room->panels
                         : p->panels + cs_panels_offset(p->N, form->pair, part->k, part->depth,
                                                        part->j);
    if (is_in_place(p, form)) {
        const cs_result_f32 result = sums_of(p, part, part->j);
        form->multiply(part->rows, part->columns, part->depth, &a,
                       p->b + part->k * p->b_row + part->j, p->b_row,
                       bias_of(p, part, part->j), &result);
        return;
    }
    for (size_t j = part->j, end = part->j + part->columns, w; j < end; j += w) {
        w = cs_packed_panel(end - j, panel);
        const size_t width = cs_packed_width(w);
        cs_result_f32 result = sums_of(p, part, j);
        result.hints |= p->panels != NULL ? CS_FETCH_NEXT : 0;
        if (j + w < end)
            fetch_ahead(p, part, j + w, cs_packed_panel(end - j - w, panel));
        form->multiply(part->rows, p->is_turned ? width : w, part->depth, &a, b, width,
                       bias_of(p, part, j), &result);
        b += depth * width;
    }
}

static void
one_block(const cs_packed_f32 *p, const cs_packed_form *form, const cut *c, size_t index,
          const packed *room)
{
    const size_t i = index / c->across * c->tall, j = index % c->across * c->wide;
    const size_t rows = cs_block_length(i, c->tall, p->M);
    const int last = index % c->across + 1 == c->across;
    const size_t columns = last ? p->N - j : c->wide;
    const size_t deep = cs_panels_depth(p->K);
    cs_packed_part part = {.j = j, .columns = columns};
    do {
        part.depth = cs_block_length(part.k, deep, p->K);
        if (!is_in_place(p, form) && p->panels == NULL)
            form->columns(p, &part, c->panel, room->panels, room->spare);
        for (part.i = i; part.i < i + rows; part.i += part.rows) {
            part.rows = cs_block_length(part.i, rows_at_once(p), i + rows);
            add_part(p, form, &part, c->panel, room);
        }
        part.k += deep;
    } while (part.k < p->K);
}

static void
run_block(const cs_packed_f32 *p, const cs_packed_form *form, const cut *c, size_t index,
          char *scratch, size_t thread)
{
    const packed room = room_of(scratch, thread);
    one_block(p, form, c, index, &room);
}

/* A few rows times columns that would have to be transposed, which takes as long as the product:
 * c^T = b^T a^T reads them where they lie, and only the few rows are copied. */
static int
is_turned(const cs_packed_f32 *p, const cs_packed_form *form)
{
    return form->pair == 1 && p->M <= CS_PACKED_FEW && p->a_col == 1 && p->b_row == 1 &&
           p->panels == NULL;
}

/* Columns n to n + rows of c, as rows of c^T. */
static void
one_turned(const cs_packed_f32 *p, const cs_packed_form *form, size_t n, size_t rows,
           const packed *room)
{
    const size_t width = cs_packed_width(p->M), apart = cs_packed_width(rows);
    const cut whole = {TURNED_PANEL, rows, width, 1, 1};
    float *sums = room->turned, *back = room->panels;
    cs_packed_f32 turned = {
        .M = rows, .N = p->M, .K = p->K, .a = p->b + n * p->b_col, .a_row = p->b_col, .a_col = 1,
        .b = p->a, .b_row = 1, .b_col = p->a_row, .start_row = width, .c = sums, .c_row = width,
        .is_turned = 1};
    if (p->start != NULL) {
        cs_transpose_f32(p->M, rows, width, p->start + n, p->start_row, sums);
        turned.start = sums;
    }
    one_block(&turned, form, &whole, 0, room);
    cs_transpose_f32(rows, p->M, apart, sums, width, back);
    for (size_t m = 0; m < p->M; m++)
        memcpy(p->c + m * p->c_row + n, back + m * apart, rows * sizeof *back);
    if (p->bias != NULL)
        add_bias(p, 0, p->M, n, rows);
}

static void
run_turned(const cs_packed_f32 *p, const cs_packed_form *form, size_t length, size_t index,
           char *scratch, size_t thread)
{
    const packed room = room_of(scratch, thread);
    one_turned(p, form, index * length, cs_block_length(index * length, length, p->N), &room);
}

static void
run(const cs_packed_f32 *p, const cs_packed_form *form, size_t threads, char *scratch)
{
    if (p->M == 0 || p->N == 0)
        return;
    const size_t several = cs_threads_for(threads, 2, CS_SIZE(p->M, p->N, p->K));
    if (is_turned(p, form)) {
        const size_t blocks = several * cs_ceil_divide(p->N, several * TURNED_ROWS);
        const size_t length = cs_ceil_divide(cs_ceil_divide(p->N, blocks), TILE) * TILE;
        CS_EACH_DYNAMIC(index, thread, cs_ceil_divide(p->N, length), several,
                        run_turned(p, form, length, index, scratch, thread));
        return;
    }
    const cut c = cut_for(p, several);
    CS_EACH_DYNAMIC(index, thread, c.blocks, several,
                    run_block(p, form, &c, index, scratch, thread));
}

void
cs_packed_product_f32(const cs_packed_f32 *p, size_t threads, void *scratch)
{
    run(p, &cs_packed_floats, threads, scratch);
}

void
cs_bf16_packed_product(const cs_packed_f32 *p, size_t threads, void *scratch)
{
    run(p, &cs_packed_halves, threads, scratch);
}

#endif
