#include "la/packed_operands.h"

#include <string.h>

#include "la/bf16_product.h"
#include "la/rows.h"

/* Rows a power of two apart fall into few sets of the nearest cache: there a tile that reads them
 * in place throws its own lines out. A copy helps only where several panels use it. */
static int
reads_in_place(const cs_packed_f32 *p)
{
    enum { FAR = 512 };
    return p->a_col == 1 && (p->N <= CS_PACKED_FEW || p->a_row % FAR != 0);
}

static cs_packed_rows
float_rows(const cs_packed_f32 *p, const cs_packed_part *part, void *room)
{
    enum { LINE = 16 };
    const float *from = p->a + part->i * p->a_row + part->k * p->a_col;
    const int along = p->a_col == 1;
    if (reads_in_place(p))
        return (cs_packed_rows){from, p->a_row, 1};
    /* Contiguous runs: of terms, or of rows. A line more sets them apart. */
    const size_t runs = along ? part->rows : part->depth, length = along ? part->depth : part->rows;
    const size_t between = along ? p->a_row : p->a_col;
    const size_t apart = (cs_ceil_divide(length, LINE) + 1) * LINE;
    float *to = room;
    for (size_t r = 0; r < runs; r++)
        memcpy(to + r * apart, from + r * between, length * sizeof *to);
    return (cs_packed_rows){to, along ? apart : 1, along ? 1 : apart};
}

static void
float_columns(const cs_packed_f32 *p, const cs_packed_part *part, size_t panel, void *panels,
              void *spare)
{
    (void)spare;
    const float *from = p->b + part->k * p->b_row + part->j * p->b_col;
    float *to = panels;
    if (p->b_row == 1) {
        for (size_t j = 0, w; j < part->columns; j += w) {
            w = cs_packed_panel(part->columns - j, panel);
            cs_transpose_f32(w, part->depth, cs_packed_width(w), from + j * p->b_col, p->b_col, to);
            to += part->depth * cs_packed_width(w);
        }
        return;
    }
    /* Row by row, as they follow each other in memory. */
    for (size_t k = 0; k < part->depth; k++) {
        float *row = to;
        for (size_t j = 0, w; j < part->columns; j += w) {
            w = cs_packed_panel(part->columns - j, panel);
            memcpy(row + k * cs_packed_width(w), from + k * p->b_row + j, w * sizeof *row);
            row += part->depth * cs_packed_width(w);
        }
    }
}

static void
multiply_floats(size_t rows, size_t columns, size_t depth, const cs_packed_rows *a,
                const void *panel, size_t b_row, const float *bias, const cs_result_f32 *result)
{
    /* The bias is a product of ones with it. */
    static const float one = 1;
    const cs_term_f32 terms[2] = {{depth, a->a, a->row, a->col, panel, b_row},
                                  {1, &one, 0, 0, bias, columns}};
    cs_product_f32(rows, columns, bias != NULL ? 2 : 1, terms, result);
}

const cs_packed_form cs_packed_floats = {1, float_rows, float_columns, multiply_floats};

static cs_packed_rows
half_rows(const cs_packed_f32 *p, const cs_packed_part *part, void *room)
{
    const float *from = p->a + part->i * p->a_row + part->k * p->a_col;
    if (p->a_col == 1) {
        cs_bf16_of_floats(part->rows, part->depth, from, p->a_row, room, NULL);
        return (cs_packed_rows){room, cs_bf16x2_count(part->depth), 1};
    }
    cs_bf16_of_floats(part->depth, part->rows, from, p->a_col, NULL, room);
    return (cs_packed_rows){room, 1, part->rows};
}

/* A narrow panel with what its rows are padded by, so that they can be rounded as a whole. */
static const float *
widened(size_t depth, size_t columns, const float *from, size_t row, float *to)
{
    const size_t width = cs_packed_width(columns);
    memset(to, 0, depth * width * sizeof *to);
    for (size_t k = 0; k < depth; k++)
        memcpy(to + k * width, from + k * row, columns * sizeof *to);
    return to;
}

/* A panel of columns that are rows in memory, a few terms at a time so that they stay near. */
static void
turn_halves(size_t columns, size_t depth, const float *from, size_t row, cs_bf16x2 *spare,
            cs_bf16x2 *to)
{
    enum { NEAR = 128 };
    for (size_t k = 0, some; k < depth; k += some) {
        some = cs_block_length(k, NEAR, depth);
        cs_bf16_of_floats(columns, some, from + k, row, spare, NULL);
        cs_bf16_transpose(columns, some, cs_packed_width(columns), spare,
                          to + k / 2 * cs_packed_width(columns));
    }
}

static void
half_columns(const cs_packed_f32 *p, const cs_packed_part *part, size_t panel, void *panels,
             void *spare)
{
    const size_t pairs = cs_bf16x2_count(part->depth);
    cs_bf16x2 *to = panels;
    for (size_t j = part->j, end = part->j + part->columns, w; j < end; j += w) {
        w = cs_packed_panel(end - j, panel);
        const size_t width = cs_packed_width(w);
        const float *from = p->b + part->k * p->b_row + j * p->b_col;
        if (p->b_row == 1) {
            turn_halves(w, part->depth, from, p->b_col, spare, to);
        } else if (w == width) {
            cs_bf16_of_floats(part->depth, w, from, p->b_row, NULL, to);
        } else {
            from = widened(part->depth, w, from, p->b_row, spare);
            cs_bf16_of_floats(part->depth, width, from, width, NULL, to);
        }
        to += pairs * width;
    }
}

static void
multiply_halves(size_t rows, size_t columns, size_t depth, const cs_packed_rows *a,
                const void *panel, size_t b_row, const float *bias, const cs_result_f32 *result)
{
    const cs_bf16_term term = {cs_bf16x2_count(depth), a->a, a->row, a->col, panel, b_row};
    const cs_bf16_result to = {result->c,    result->c_row,    result->e,
                               result->rows, result->rows_row, result->hints};
    cs_bf16_product(rows, columns, 1, &term, &to);
    for (size_t m = 0; bias != NULL && m < rows; m++)
        cs_rows_f32()->scale_add(columns, 1, bias, 1, result->c + m * result->c_row);
}

const cs_packed_form cs_packed_halves = {2, half_rows, half_columns, multiply_halves};
