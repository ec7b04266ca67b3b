#include "loss/clip/score_tiles.h"

#include "base/real.h"
#include "la/rows.h"
#include "la/tiles.h"

enum { SOME = 256, MANY = 2048, COLUMNS = 56 };

cs_tiling
CS_TYPED(cs_score_tiling)(size_t B, long long asked_rows, long long asked_columns)
{
    size_t rows = B < SOME ? 64 : B < MANY ? 128 : 256, columns = B < SOME ? COLUMNS : 2 * COLUMNS;
    return cs_tiling_of(B, rows, columns, asked_rows, asked_columns);
}

void
CS_TYPED(cs_score_tiles_layout)(size_t B, size_t D, const cs_tiling *tiling,
                                cs_arena *arena, CS_TYPED(cs_score_tiles) *p)
{
    size_t tiles = cs_ceil_divide(B, tiling->columns);
    p->B = B;
    p->D = D;
    p->tiling = *tiling;
    p->columns = CS_TAKE(arena, cs_real, tiles, tiling->columns, D);
    p->partial = CS_TAKE(arena, cs_real, tiling->owners, tiling->rows, D);
}

static void
fill_columns(const CS_TYPED(cs_score_tiles) *p, size_t tile, cs_real factor)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t D = p->D, width = p->tiling.columns, c0 = tile * width;
    cs_real *columns = p->columns + c0 * D;
    CS_TYPED(cs_transpose)(cs_least(width, p->B - c0), D, width, p->text + c0 * D, D, columns);
    rows->scale_add(D * width, factor, columns, 0, columns);
}

void
CS_TYPED(cs_score_tiles_open)(CS_TYPED(cs_score_tiles) *p, cs_real factor)
{
    size_t tiles = cs_ceil_divide(p->B, p->tiling.columns);
    CS_EACH(tile, tiles, cs_threads_if(tiles > 1), fill_columns(p, tile, factor));
}

void
CS_TYPED(cs_score_tile)(const CS_TYPED(cs_score_tiles) *p, size_t r0, size_t R, size_t c0,
                        size_t C, cs_real *scores)
{
    CS_TYPED(cs_term) term = {p->D, p->image + r0 * p->D, p->D, 1, p->columns + c0 * p->D,
                              p->tiling.columns};
    CS_TYPED(cs_result) result = {.c = scores, .c_row = C};
    CS_TYPED(cs_product)(R, C, 1, &term, &result);
}

void
CS_TYPED(cs_score_tile_gradients)(const CS_TYPED(cs_score_tiles) *p, size_t owner, size_t r0,
                                  size_t R, size_t c0, size_t C, const cs_real *g, cs_real *dtext)
{
    size_t D = p->D;
    CS_TYPED(cs_term) to_text = {R, g, 1, C, p->image + r0 * D, D};
    CS_TYPED(cs_term) to_image = {C, g, C, 1, p->text + c0 * D, D};
    cs_real *text = dtext == NULL ? NULL : dtext + c0 * D;
    cs_real *image = p->partial + owner * p->tiling.rows * D;
    int begins = c0 == cs_first_caption(&p->tiling, owner);
    CS_TYPED(cs_result) text_sum = {text, D, NULL, r0 == 0 ? NULL : text, D, 0};
    CS_TYPED(cs_result) image_sum = {image, D, NULL, begins ? NULL : image, D, 0};
    if (dtext != NULL)
        CS_TYPED(cs_product)(C, D, 1, &to_text, &text_sum);
    CS_TYPED(cs_product)(R, D, 1, &to_image, &image_sum);
}

static void
sum_row(const CS_TYPED(cs_score_tiles) *p, size_t r, int adds, cs_real *dimage)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    for (size_t owner = 0; owner < p->tiling.owners; owner++)
        rows->scale_add(p->D, 1, p->partial + (owner * p->tiling.rows + r) * p->D,
                        owner == 0 && !adds ? 0 : 1, dimage);
}

void
CS_TYPED(cs_score_tiles_sum)(const CS_TYPED(cs_score_tiles) *p, size_t r0, size_t R, int adds,
                             cs_real *dimage)
{
    CS_EACH(r, R, cs_threads_for_entries(R, p->tiling.owners * R * p->D),
            sum_row(p, r, adds, dimage + (r0 + r) * p->D));
}
