/* The sums of one tile, in registers: where they start, what a step adds, where they are written.
 * Included by la/tile_loops.h alone, after ITEM, RESULT, fuse and PER_VEC are defined.
 */

/* Element i of a column of a: byte strides s, 3s, 5s from two bases reach 14 rows with the
 * addressing modes of x86, so no row needs a pointer of its own. */
typedef struct {
    const char *low, *high;
    size_t s, s3, s5;
} column;

/* Hides where the value of x comes from, so that the compiler cannot compute with it in advance.
 * Used on the strides in every step, it keeps multiples of them in the addressing modes instead of
 * in registers of their own. */
#define OPAQUE(x) __asm__("" : "+r"(x))

/* The bits of an element, as a lane carries them. */
INLINE float
bits_of(const void *item)
{
    float x;
    memcpy(&x, item, sizeof x);
    return x;
}

INLINE vec load_items(const ITEM *p) { return load((const float *)(const void *)p); }
INLINE half half_load_items(const ITEM *p) { return half_load((const float *)(const void *)p); }

INLINE float
element(const column *a, size_t i)
{
    const char *base = i < 7 ? a->low : a->high;
    switch (i % 7) {
    case 0: break;
    case 1: base += a->s; break;
    case 2: base += 2 * a->s; break;
    case 3: base += a->s3; break;
    case 4: base += 4 * a->s; break;
    case 5: base += a->s5; break;
    default: base += 2 * a->s3; break;
    }
    return bits_of(base);
}

typedef struct {
    vec full[TALLEST][VECS];
    half edge[TALLEST];
} sums;

/* Steps k of one term, H rows by U units; H and U are constants after inlining. */
INLINE void
accumulate(size_t H, size_t U, size_t K, const column *from, size_t a_step, const ITEM *b,
           size_t b_row, size_t ahead, sums *c)
{
    const size_t F = U / PER_VEC;
    column a = *from;
    for (; K > 0; K--) {
        OPAQUE(a.s);
        OPAQUE(a.s3);
        OPAQUE(a.s5);
        vec row[VECS];
        half edge;
        UNROLL
        for (size_t j = 0; FETCHES && U <= PANEL && j < F; j++)
            __builtin_prefetch(b + ahead + j * LANES, 0, 3);
        UNROLL
        for (size_t j = 0; j < F; j++)
            row[j] = load_items(b + j * LANES);
        if (U % PER_VEC)
            edge = half_load_items(b + F * LANES);
        UNROLL
        for (size_t i = 0; i < H; i++) {
            const float x = element(&a, i);
            UNROLL
            for (size_t j = 0; j < F; j++)
                c->full[i][j] = fuse(splat(x), row[j], c->full[i][j]);
            if (U % PER_VEC) /* from a whole vector where there is one, else no wider than needed */
                c->edge[i] = half_fuse(F > 0 ? half_of(splat(x)) : half_splat(x), edge, c->edge[i]);
        }
        a.low += a_step;
        a.high += a_step;
        b += b_row;
    }
}

/* Sums start at 0, or at e_i rows[i,:]. */
INLINE void
start_at_zero(size_t H, size_t U, sums *c)
{
    UNROLL
    for (size_t h = 0; h < H; h++) {
        UNROLL
        for (size_t v = 0; v < U / PER_VEC; v++)
            c->full[h][v] = splat(0);
        c->edge[h] = half_of(splat(0));
    }
}

INLINE void
start_at_rows(size_t H, size_t U, const RESULT *result, size_t i, size_t j, sums *c)
{
    const size_t F = U / PER_VEC;
    const float *e = result->e == NULL ? NULL : result->e + i;
    const float *row = result->rows + i * result->rows_row + j;
    UNROLL
    for (size_t h = 0; h < H; h++, row += result->rows_row) {
        vec x = splat(e == NULL ? 1 : e[h]);
        UNROLL
        for (size_t v = 0; v < F; v++)
            c->full[h][v] = x * load(row + v * LANES);
        if (U % PER_VEC)
            c->edge[h] = half_of(x) * half_load(row + F * LANES);
    }
}

INLINE void
write_rows(size_t H, size_t U, const sums *c, float *to, size_t row, int streams)
{
    const size_t F = U / PER_VEC;
    UNROLL
    for (size_t i = 0; i < H; i++) {
        UNROLL
        for (size_t j = 0; j < F; j++) {
            if (streams)
                stream(to + i * row + j * LANES, c->full[i][j]);
            else
                store(to + i * row + j * LANES, c->full[i][j]);
        }
        if (U % PER_VEC)
            half_store(to + i * row + F * LANES, c->edge[i]);
    }
}
