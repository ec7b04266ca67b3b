/* The loops of a product held in registers (la/tiles.h, la/bf16_product.h), for operands whose
 * elements are 32 bits: floats, or two bfloat16.
 *
 * Included last, by a source that is compiled once per instruction set and has said:
 *   ITEM, TERM       types of an element of a and b, and of a term over such elements
 *   RESULT, PRODUCT  type of where a product goes, as in la/tiles.h; name of the function
 *   fuse(a, b, c)    c + the product of a and b in every lane of a vec; half_fuse for halves
 *   TILES            only where the tiles of la/tile_shapes.h do not suit fuse: what that header
 *                    defines in its place
 */

#include "la/tile_shapes.h"

enum { PER_VEC = LANES / UNIT, VECS = WIDEST / PER_VEC, CHUNK = 16 };

#include "la/tile_sums.h"

/* What a tile fetches while it runs: in CHUNK steps so many lines of each row, which lies `row`
 * elements behind the one before and whose place moves on by `step` a step. */
typedef struct {
    const ITEM *from;
    size_t row, step, lines;
} fetched;

INLINE void
tile(size_t H, size_t U, size_t terms, const TERM *term, const RESULT *result,
     size_t i, size_t j, const fetched *next, float *to, size_t to_row, int streams)
{
    sums c;
    if (result->rows != NULL)
        start_at_rows(H, U, result, i, j, &c);
    else
        start_at_zero(H, U, &c);
    for (size_t q = 0; q < terms; q++) {
        const TERM *t = &term[q];
        const size_t s = t->a_row * sizeof(ITEM), step = t->a_col * sizeof(ITEM);
        const char *from = (const char *)(t->a + i * t->a_row);
        const size_t ahead = t->b_row <= NARROW ? 0 : AHEAD * t->b_row;
        const size_t chunk = next == NULL ? t->K : CHUNK; /* a cache line of each row at a time */
        for (size_t k = 0; k < t->K; k += chunk) {
            size_t count = t->K - k < chunk ? t->K - k : chunk;
            if (next != NULL) {
                const ITEM *first = next->from + k * next->step;
                for (size_t line = 0; line < next->lines; line++) {
                    UNROLL
                    for (size_t h = 0; h < H; h++)
                        __builtin_prefetch(first + h * next->row + line * CHUNK, 0, 2);
                }
            }
            const char *low = from + k * step;
            column a = {low, H > 7 ? low + 7 * s : low, s, 3 * s, 5 * s};
            accumulate(H, U, count, &a, step, t->b + k * t->b_row + j, t->b_row, ahead,
                       &c);
        }
    }
    if (streams)
        write_rows(H, U, &c, to, to_row, 1);
    else
        write_rows(H, U, &c, to, to_row, 0);
}

#define TILE(U, H)                                                                               \
    static void tile_##U##_##H(size_t terms, const TERM *term, const RESULT *result, size_t i,   \
                               size_t j, const fetched *next, float *to, size_t to_row,          \
                               int streams)                                                      \
    {                                                                                            \
        tile(H, U, terms, term, result, i, j, next, to, to_row, streams);                        \
    }
TILES
#undef TILE

typedef void tile_function(size_t, const TERM *, const RESULT *, size_t, size_t, const fetched *,
                           float *, size_t, int);
#define TILE(U, H) [U][H] = tile_##U##_##H,
static tile_function *const table[WIDEST + 1][TALLEST + 1] = {TILES};
#undef TILE

/* Columns one by one, where there are fewer than a UNIT. */
static void
narrow(size_t M, size_t N, size_t terms, const TERM *term, const RESULT *result)
{
    for (size_t j = 0; j < N; j++) {
        for (size_t i = 0; i < M; i++) {
            vec sum = splat(0);
            if (result->rows != NULL)
                sum = splat(result->e == NULL ? 1 : result->e[i]) *
                      splat(result->rows[i * result->rows_row + j]);
            for (size_t q = 0; q < terms; q++) {
                const TERM *t = &term[q];
                const ITEM *a = t->a + i * t->a_row, *b = t->b + j;
                for (size_t k = 0; k < t->K; k++)
                    sum = fuse(splat(bits_of(a + k * t->a_col)),
                               splat(bits_of(b + k * t->b_row)), sum);
            }
            result->c[i * result->c_row + j] = sum[0];
        }
    }
}

/* The next piece of what is left: pieces are as long as allowed, but the last two share evenly, so
 * that none is a sliver. */
INLINE size_t
next_piece(size_t left, size_t longest)
{
    return left <= longest ? left : left < 2 * longest ? (left + 1) / 2 : longest;
}

/* Fetch the sums the next panel goes on from: a tile starts with them. */
INLINE void
fetch_sums(size_t i, size_t H, size_t U, size_t j, size_t N, const RESULT *result)
{
    enum { LINE = 2 * UNIT };
    const size_t begin = j + U * UNIT, end = begin + U * UNIT < N ? begin + U * UNIT : N;
    for (size_t h = i; h < i + H; h++)
        for (size_t k = begin; k < end; k += LINE)
            __builtin_prefetch(result->c + h * result->c_row + k, 1, 2);
}

/* What the tile of H rows from row i on fetches: the next H rows of a; or a share of the b that
 * lies behind the first term's, of which all rows together, or the first N of them, fetch all. */
INLINE const fetched *
fetched_by(size_t i, size_t H, size_t j, size_t M, size_t N, const TERM *term, const RESULT *result,
           fetched *next)
{
    if ((result->hints & CS_FETCH) && j == 0 && i + 2 * H <= M) {
        *next = (fetched){term->a + (i + H) * term->a_row, term->a_row, term->a_col, 1};
        return next;
    }
    const size_t lines = (N + M - 1) / M;
    if ((result->hints & CS_FETCH_NEXT) && i * lines < N) {
        const size_t share = (term->K + CHUNK - 1) / CHUNK * CHUNK * lines;
        *next = (fetched){term->b + term->K * term->b_row + i * share, share, lines, lines};
        return next;
    }
    return NULL;
}

/* Rows i to `end` of one panel of U units that starts at column j. */
static void
panel(size_t i, size_t end, size_t U, size_t j, size_t M, size_t N, size_t terms, const TERM *term,
      const RESULT *result)
{
    const uintptr_t start = (uintptr_t)(result->c + j) | (result->c_row * sizeof(float));
    const int streams = (result->hints & CS_STREAM) && start % sizeof(vec) == 0;
    while (i < end) {
        const size_t H = next_piece(end - i, tallest[U]);
        fetched next;
        if (result->hints & CS_FETCH_SUMS)
            fetch_sums(i, H, U, j, N, result);
        table[U][H](terms, term, result, i, j, fetched_by(i, H, j, M, N, term, result, &next),
                    result->c + i * result->c_row + j, result->c_row, streams);
        i += H;
    }
}

/* The same of columns j to j + count alone, which begin or end a row and are no whole units: the
 * panel is widened over columns of its neighbour and computes them, too. They come out the same and
 * may be written twice, but not where sums start from c, nor where the neighbour was written past
 * the caches: there `beyond` takes the panel, and only its own columns are copied. */
static void
edge(size_t i, size_t end, size_t j, size_t count, size_t M, size_t terms, const TERM *term,
     const RESULT *result)
{
    const size_t U = (count + UNIT - 1) / UNIT, before = j == 0 ? 0 : U * UNIT - count;
    if (result->rows != result->c && !(result->hints & CS_STREAM)) {
        panel(i, end, U, j - before, M, 0, terms, term, result);
        return;
    }
    while (i < end) {
        float beyond[TALLEST * 2 * UNIT];
        const size_t H = next_piece(end - i, tallest[U]);
        table[U][H](terms, term, result, i, j - before, NULL, beyond, U * UNIT, 0);
        for (size_t h = 0; h < H; h++) {
            float *to = result->c + (i + h) * result->c_row + j;
            for (size_t k = 0; k < count; k++)
                to[k] = beyond[h * U * UNIT + before + k];
        }
        i += H;
    }
}

/* How many columns come before the first that starts a cache line, in c where it is streamed, else
 * in b: panels from there on touch no line twice. NumPy's large arrays start 16 bytes behind the
 * start of a line. 0 for narrow products. */
static size_t
before_line(size_t N, const TERM *term, const RESULT *result)
{
    enum { LINE = 2 * UNIT };
    const int streams = result->hints & CS_STREAM;
    const uintptr_t start = streams ? (uintptr_t)result->c : (uintptr_t)term[0].b;
    const size_t row = streams ? result->c_row : term[0].b_row;
    if (N <= NARROW || row % LINE != 0)
        return 0;
    return (LINE - start / sizeof(float) % LINE) % LINE;
}

void PRODUCT(size_t M, size_t N, size_t terms, const TERM *term, const RESULT *result);
void
PRODUCT(size_t M, size_t N, size_t terms, const TERM *term, const RESULT *result)
{
    if (N < UNIT) {
        narrow(M, N, terms, term, result);
        return;
    }
    const size_t head = before_line(N, term, result);
    const size_t units = (N - head) / UNIT, rest = (N - head) % UNIT;
    const size_t longest = N <= NARROW ? WIDEST : PANEL;
    /* Several panels take turns on a few rows of a; a single one needs no such blocks. */
    const size_t block = units <= longest && rest == 0 ? M : BLOCK;
    for (size_t i = 0, rows; i < M; i += rows) {
        rows = next_piece(M - i, block);
        if (head > 0)
            edge(i, i + rows, 0, head, M, terms, term, result);
        for (size_t unit = 0, U; unit < units; unit += U) {
            /* Many columns: whole panels, so that none but the last ends within a cache line. */
            U = N <= NARROW               ? next_piece(units - unit, longest)
                : units - unit < longest ? units - unit
                                          : longest;
            panel(i, i + rows, U, head + unit * UNIT, M, N, terms, term, result);
        }
        if (rest > 0)
            edge(i, i + rows, N - rest, rest, M, terms, term, result);
    }
    if (result->hints & CS_STREAM)
        settle();
}
