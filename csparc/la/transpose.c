#include "la/simd.h"

/* SIDE rows by SIDE columns at a time, within COLUMNS columns, one cache line, so that a line is
 * read whole even where rows fall into the same cache set. */
#define SHUFFLE __builtin_shufflevector

#if defined(__AVX2__)

enum { SIDE = 8, COLUMNS = 16 };
typedef float side __attribute__((vector_size(32)));

INLINE void
turn(side r[SIDE])
{
    side t[SIDE];
    UNROLL
    for (int i = 0; i < SIDE; i += 2) {
        t[i] = SHUFFLE(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = SHUFFLE(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    UNROLL
    for (int i = 0; i < SIDE; i += 4) {
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = SHUFFLE(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            r[i + 2 * j + 1] = SHUFFLE(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = SHUFFLE(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        t[i + 4] = SHUFFLE(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    memcpy(r, t, sizeof t);
}

#else

enum { SIDE = 4, COLUMNS = 16 };
typedef vec side;

INLINE void
turn(side r[SIDE])
{
    side t[SIDE];
    for (int i = 0; i < SIDE; i += 2) {
        t[i] = SHUFFLE(r[i], r[i + 1], 0, 4, 1, 5);
        t[i + 1] = SHUFFLE(r[i], r[i + 1], 2, 6, 3, 7);
    }
    for (int i = 0; i < 2; i++) {
        r[2 * i] = SHUFFLE(t[i], t[i + 2], 0, 1, 4, 5);
        r[2 * i + 1] = SHUFFLE(t[i], t[i + 2], 2, 3, 6, 7);
    }
}

#endif

/* One square: xt[d, n] = x[n, d] for the first `count` rows of x, 0 for the others. */
INLINE void
square(size_t count, const float *x, size_t x_row, float *xt, size_t xt_row)
{
    side rows[SIDE];
    UNROLL
    for (size_t i = 0; i < SIDE; i++) {
        if (i < count)
            memcpy(&rows[i], x + i * x_row, sizeof rows[i]);
        else
            rows[i] = (side){0};
    }
    turn(rows);
    UNROLL
    for (size_t i = 0; i < SIDE; i++)
        memcpy(xt + i * xt_row, &rows[i], sizeof rows[i]);
}

void CS_SIMD(cs_transpose)(size_t N, size_t D, size_t M, const float *x, size_t x_row, float *xt);
void
CS_SIMD(cs_transpose)(size_t N, size_t D, size_t M, const float *x, size_t x_row, float *xt)
{
    const size_t whole = N / SIDE * SIDE, whole_columns = D / COLUMNS * COLUMNS;
    /* Columns that squares fill: a last one with fewer rows of x fits where M is padded. */
    const size_t filled = N > whole && whole + SIDE <= M ? whole + SIDE : whole;
    for (size_t d = 0; d < whole_columns; d += COLUMNS) {
        for (size_t n = 0; n < whole; n += SIDE) {
            for (size_t i = d; i < d + COLUMNS; i += SIDE)
                square(SIDE, x + n * x_row + i, x_row, xt + i * M + n, M);
        }
        for (size_t i = d; filled > whole && i < d + COLUMNS; i += SIDE)
            square(N - whole, x + whole * x_row + i, x_row, xt + i * M + whole, M);
    }
    for (size_t d = 0; d < D; d++) {
        for (size_t n = d < whole_columns ? filled : 0; n < M; n++)
            xt[d * M + n] = n < N ? x[n * x_row + d] : 0;
    }
}
