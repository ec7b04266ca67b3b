#include "data/pair_lanes.h"

#include "la/simd.h"

/* Rows whose sums one vector holds are turned together: 4 pixels of a row, of 3 bytes, become 2
 * pairs of taps in each of 3 planes, in which a vector is one pair of LANES rows. */
enum { TAPS = 4, COLOURS = 3, GROUP_BYTES = TAPS * COLOURS, PIECE = 16 };

/* One group of 4 pixels of CS_ROWS rows to `planes`; 16 bytes are read at each row + at. */
INLINE void
turn_group(const uint8_t *const *rows, size_t at, int16_t *planes)
{
    for (size_t first = 0; first < CS_ROWS; first += LANES) {
        lanes row[4];
        UNROLL
        for (size_t r = 0; r < 4; r++)
            row[r] = planar(load_pieces(rows + first + r, at));
        lanes one = zip32_low(row[0], row[1]), other = zip32_low(row[2], row[3]);
        lanes blue = zip64_low(zip32_high(row[0], row[1]), zip32_high(row[2], row[3]));
        lanes colour[COLOURS] = {zip64_low(one, other), zip64_high(one, other), blue};
        UNROLL
        for (size_t c = 0; c < COLOURS; c++) {
            int16_t *to = planes + 2 * (c * CS_ROWS + first);
            store_lanes(to, even(colour[c]));
            store_lanes(to + 2 * COLOURS * CS_ROWS, odd(colour[c]));
        }
    }
}

/* What lies beyond the picture may not be read, and what lies beyond the crop counts as 0. */
static void
turn_rows(size_t width, size_t rows, const uint8_t *x, size_t x_row, int16_t *planes)
{
    size_t bytes = COLOURS * width, at = 0;
    const uint8_t *row[CS_ROWS];
    for (size_t r = 0; r < CS_ROWS; r++)
        row[r] = x + (r < rows ? r : rows - 1) * x_row;
    for (; at + PIECE <= bytes; at += GROUP_BYTES) {
        turn_group(row, at, planes);
        planes += CS_TURNED_GROUP;
    }
    for (; at < bytes; at += GROUP_BYTES) {
        uint8_t edge[CS_ROWS][PIECE] = {{0}};
        const uint8_t *edges[CS_ROWS];
        for (size_t r = 0; r < CS_ROWS; r++) {
            memcpy(edge[r], row[r] + at, bytes - at < GROUP_BYTES ? bytes - at : GROUP_BYTES);
            edges[r] = edge[r];
        }
        turn_group(edges, 0, planes);
        planes += CS_TURNED_GROUP;
    }
}

/* One output of LANES rows, its three colours. */
INLINE void
weigh(size_t pairs, const int16_t *weights, const int16_t *planes, lanes *out)
{
    lanes high[COLOURS], low[COLOURS];
    UNROLL
    for (size_t c = 0; c < COLOURS; c++)
        high[c] = low[c] = none();
    _Pragma("GCC unroll 2")
    for (size_t p = 0; p < pairs; p++) {
        lanes by_high = splat_pair(weights + 4 * p), by_low = splat_pair(weights + 4 * p + 2);
        UNROLL
        for (size_t c = 0; c < COLOURS; c++) {
            lanes taps = load_lanes(planes + 2 * (p * COLOURS + c) * CS_ROWS);
            high[c] = add_pairs(high[c], taps, by_high);
            low[c] = add_pairs(low[c], taps, by_low);
        }
    }
    UNROLL
    for (size_t c = 0; c < COLOURS; c++)
        out[c] = total(high[c], low[c]);
}

/* 12 vectors of one byte of LANES rows to 12 bytes of each row, and 4 that mean nothing. */
INLINE void
store_rows(const lanes *byte, uint8_t *out, size_t out_row)
{
    lanes column[4] = {none(), none(), none(), none()};
    UNROLL
    for (size_t i = 0; i < 3; i++) {
        const lanes *four = byte + 4 * i;
        column[i] = turn4(narrow8(narrow(four[0], four[1]), narrow(four[2], four[3])));
    }
    lanes one = zip32_low(column[0], column[1]), other = zip32_low(column[2], column[3]);
    lanes third = zip32_high(column[0], column[1]), fourth = zip32_high(column[2], column[3]);
    lanes row[4] = {zip64_low(one, other), zip64_high(one, other), zip64_low(third, fourth),
                    zip64_high(third, fourth)};
    UNROLL
    for (size_t r = 0; r < 4; r++) {
        uint8_t pieces[PIECES][PIECE];
        store_lanes(pieces, row[r]);
        UNROLL
        for (size_t i = 0; i < PIECES; i++)
            memcpy(out + (4 * i + r) * out_row, pieces[i], PIECE);
    }
}

cs_weigh_across CS_SIMD(cs_weigh_across);
void
CS_SIMD(cs_weigh_across)(const cs_resize_axis *axis, size_t width, size_t rows, const uint8_t *x,
                         size_t x_row, int16_t *planes, uint8_t *out, size_t out_row)
{
    turn_rows(width, rows, x, x_row, planes);
    for (size_t k = 0; k < axis->outputs; k += 4) {
        for (size_t first = 0; first < CS_ROWS; first += LANES) {
            lanes byte[GROUP_BYTES];
            for (size_t o = 0; o < 4; o++) {
                size_t at = k + o < axis->outputs ? k + o : k;
                weigh(axis->pairs[at], axis->weights + 4 * at * axis->most,
                      planes + axis->first[at] * COLOURS * CS_ROWS + 2 * first,
                      byte + COLOURS * o);
            }
            store_rows(byte, out + first * out_row + COLOURS * k, out_row);
        }
    }
}
