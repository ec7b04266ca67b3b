/* The rows of a batch that take part, sample after sample, as unit vectors packed into the operands
 * of products.
 *
 *   x (B,N,D), norm (B,N) lengths, 0 for dead rows, whose unit vector is 0
 *   index: numbers of the rows that take part; those of sample i are index[start_i .. start_i+1]
 */
#ifndef CS_FILIP_VALID_ROWS_H
#define CS_FILIP_VALID_ROWS_H

#include "base/arena.h"
#include "base/real.h"
#include "csparc.h"

typedef struct {
    size_t N, D;
    const cs_real *x, *norm;
    size_t *start, *index; /* [B + 1], [B N] */
} CS_TYPED(cs_taken_rows);

void CS_TYPED(cs_taken_rows_layout)(size_t B, size_t N, size_t D, cs_arena *arena,
                                    CS_TYPED(cs_taken_rows) *taken);

/* List the rows with mask (B,N), all where it is NULL. */
void CS_TYPED(cs_taken_rows_list)(size_t B, const cs_real *x, const cs_real *norm,
                                  const uint8_t *mask, CS_TYPED(cs_taken_rows) *taken);

static inline size_t
CS_TYPED(cs_taken_of)(const CS_TYPED(cs_taken_rows) *taken, size_t sample)
{
    return taken->start[sample + 1] - taken->start[sample];
}

/* out [count,D]: unit vectors of `count` rows from place `first` of the list on. */
void CS_TYPED(cs_taken_rows_pack)(const CS_TYPED(cs_taken_rows) *taken, size_t first, size_t count,
                                  cs_real *out);

/* out [count,CS_CHUNK]: the same, but of entries d0 .. of each row only, zeros past entry D; and
 * the way back, dx (B,N,D) += d [count,CS_CHUNK] in these places. */
void CS_TYPED(cs_taken_rows_chunk)(const CS_TYPED(cs_taken_rows) *taken, size_t first, size_t count,
                                   size_t d0, cs_real *out);
void CS_TYPED(cs_taken_rows_add)(const CS_TYPED(cs_taken_rows) *taken, size_t first, size_t count,
                                 size_t d0, const cs_real *d, cs_real *dx);

/* Rows are cut into panels as wide as suits the tiles of products (la/tile_shapes.h), and as even
 * as can be. */
enum { CS_PANEL = 56 };

/* Rows of a panel, a multiple of CS_LANES, the last may have fewer; and the number of panels. */
size_t CS_TYPED(cs_panel_width)(size_t rows);
size_t CS_TYPED(cs_panel_count)(size_t rows);

/* columns [panels,D,width]: `rows` unit vectors from `first` on, transposed, zeros beyond the last.
 * packed [threads, CS_PANEL D] is scratch. Parallel. */
void CS_TYPED(cs_taken_rows_panels)(const CS_TYPED(cs_taken_rows) *taken, size_t first, size_t rows,
                                    size_t threads, cs_real *packed, cs_real *columns);

#endif
