/* Which tiles there are, and how products are cut into them. Included by la/tile_loops.h, after
 * la/simd.h and what the source says about itself.
 */
#ifndef CS_TILE_SHAPES_H
#define CS_TILE_SHAPES_H

/* Rows of a tile by its width in UNITs, bounded by the accumulators that fit the registers beside
 * one row of b and one broadcast element.
 *   TILES            every (width, rows) that is compiled
 *   WIDEST, TALLEST  the largest width and the most rows among them
 *   tallest          the most rows by width
 *   PANEL            width of the panels that many columns are cut into
 *   BLOCK            rows that all panels take before the next rows
 */
#define ROWS_4(U) TILE(U, 1) TILE(U, 2) TILE(U, 3) TILE(U, 4)
#define ROWS_6(U) ROWS_4(U) TILE(U, 5) TILE(U, 6)
#define ROWS_7(U) ROWS_6(U) TILE(U, 7)
#define ROWS_9(U) ROWS_7(U) TILE(U, 8) TILE(U, 9)
#define ROWS_12(U) ROWS_9(U) TILE(U, 10) TILE(U, 11) TILE(U, 12)
#define ROWS_14(U) ROWS_12(U) TILE(U, 13) TILE(U, 14)

#if defined(TILES)
#elif defined(__AVX512F__)
#define TILES ROWS_14(1) ROWS_14(2) ROWS_14(3) ROWS_14(4) ROWS_9(5) ROWS_9(6) ROWS_7(7) ROWS_6(8)
enum { WIDEST = 8, TALLEST = 14, PANEL = 4, BLOCK = 14 };
static const size_t tallest[WIDEST + 1] = {0, 14, 14, 14, 14, 9, 9, 7, 6};
#elif defined(__AVX2__)
#define TILES ROWS_12(1) ROWS_6(2) ROWS_4(3)
enum { WIDEST = 3, TALLEST = 12, PANEL = 2, BLOCK = 12 };
static const size_t tallest[WIDEST + 1] = {0, 12, 6, 4};
#else
#define TILES ROWS_9(1) ROWS_6(2)
enum { WIDEST = 2, TALLEST = 9, PANEL = 2, BLOCK = 12 };
static const size_t tallest[WIDEST + 1] = {0, 9, 6};
#endif

/* Up to this many columns, b is taken to be packed and panels are as wide as can be; beyond, its
 * rows are long, and narrow panels keep what a tile reads in the nearest cache. */
enum { NARROW = 64 };

/* Long rows of b are fetched this many ahead. Rows of a power of two fall into few sets of the
 * nearest cache, and nothing else fetches them. With 16 registers a tile is too short for it to
 * pay. */
enum { FETCHES = LANES > UNIT, AHEAD = 8 };

#endif
