#include "loss/filip/valid_rows.h"

#include "base/blocks.h"
#include "base/real.h"
#include "la/norm.h"
#include "la/rows.h"
#include "la/tiles.h"
#include "loss/kernels/pairs.h"

void
CS_TYPED(cs_taken_rows_layout)(size_t B, size_t N, size_t D, cs_arena *arena,
                               CS_TYPED(cs_taken_rows) *taken)
{
    taken->N = N;
    taken->D = D;
    taken->start = CS_TAKE(arena, size_t, B + 1);
    taken->index = CS_TAKE(arena, size_t, B, N);
}

void
CS_TYPED(cs_taken_rows_list)(size_t B, const cs_real *x, const cs_real *norm, const uint8_t *mask,
                             CS_TYPED(cs_taken_rows) *taken)
{
    size_t at = 0, n = 0;
    taken->x = x;
    taken->norm = norm;
    for (size_t i = 0; i < B; i++) {
        taken->start[i] = at;
        for (; n < (i + 1) * taken->N; n++)
            if (mask == NULL || mask[n])
                taken->index[at++] = n;
    }
    taken->start[B] = at;
}

void
CS_TYPED(cs_taken_rows_pack)(const CS_TYPED(cs_taken_rows) *taken, size_t first, size_t count,
                             cs_real *out)
{
    const CS_TYPED(cs_row_kernels) *rows = CS_TYPED(cs_rows)();
    size_t D = taken->D;
    for (size_t k = 0; k < count; k++) {
        size_t n = taken->index[first + k];
        rows->scale_add(D, cs_inverse_norm(taken->norm[n]), taken->x + n * D, 0, out + k * D);
    }
}

void
CS_TYPED(cs_taken_rows_chunk)(const CS_TYPED(cs_taken_rows) *taken, size_t first, size_t count,
                              size_t d0, cs_real *out)
{
    size_t D = taken->D;
    const size_t *index = taken->index + first;
    if (d0 + CS_CHUNK <= D) {
        CS_TYPED(cs_pair_kernels_in_use)()->take_chunk(count, index, taken->norm, D, taken->x + d0,
                                                       out);
        return;
    }
    for (size_t k = 0; k < count; k++)
        for (size_t d = 0; d < CS_CHUNK; d++)
            out[k * CS_CHUNK + d] = d0 + d < D ? cs_inverse_norm(taken->norm[index[k]]) *
                                                     taken->x[index[k] * D + d0 + d]
                                               : 0;
}

void
CS_TYPED(cs_taken_rows_add)(const CS_TYPED(cs_taken_rows) *taken, size_t first, size_t count,
                            size_t d0, const cs_real *d, cs_real *dx)
{
    size_t D = taken->D, width = cs_least(CS_CHUNK, D - d0);
    const size_t *index = taken->index + first;
    if (width == CS_CHUNK) {
        CS_TYPED(cs_pair_kernels_in_use)()->add_chunk(count, index, D, d, dx + d0);
        return;
    }
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < width; i++)
            dx[index[k] * D + d0 + i] += d[k * CS_CHUNK + i];
}

size_t
CS_TYPED(cs_panel_count)(size_t rows)
{
    return cs_ceil_divide(rows, CS_PANEL);
}

size_t
CS_TYPED(cs_panel_width)(size_t rows)
{
    size_t panels = CS_TYPED(cs_panel_count)(rows);
    return panels == 0 ? CS_LANES : cs_whole_lanes(cs_ceil_divide(rows, panels));
}

static void
fill_panel(const CS_TYPED(cs_taken_rows) *taken, size_t first, size_t rows, size_t panel,
           cs_real *packed, cs_real *columns)
{
    size_t D = taken->D, width = CS_TYPED(cs_panel_width)(rows);
    size_t c0 = cs_least(panel * width, rows), count = cs_least(width, rows - c0);
    CS_TYPED(cs_taken_rows_pack)(taken, first + c0, count, packed);
    CS_TYPED(cs_transpose)(count, D, width, packed, D, columns + panel * width * D);
}

void
CS_TYPED(cs_taken_rows_panels)(const CS_TYPED(cs_taken_rows) *taken, size_t first, size_t rows,
                               size_t threads, cs_real *packed, cs_real *columns)
{
    size_t panels = CS_TYPED(cs_panel_count)(rows);
    CS_EACH_DYNAMIC(panel, thread, panels,
                    cs_least(threads, cs_threads_for_entries(panels, rows * taken->D)),
                    fill_panel(taken, first, rows, panel, packed + thread * CS_PANEL * taken->D,
                               columns));
}
