#include "loss/kernels/argmax.h"

#include "base/isa.h"
#include "loss/kernels/lanes.h"

/* Lanes of `yes` where m is true, of `no` elsewhere, as whole numbers. */
CS_INLINE cs_truth
select_place(cs_truth m, cs_truth yes, cs_truth no)
{
    return (m & yes) | (~m & no);
}

void
CS_KERNEL(cs_best_rows)(size_t K, size_t lanes, const cs_real *x, cs_real *best, uint16_t *winner)
{
    for (size_t q = 0; q < lanes; q += CS_LANES) {
        cs_lanes top = cs_load(x + q);
        cs_truth place = {0}, here = {0};
        for (size_t k = 1; k < K; k++) {
            cs_lanes row = cs_load(x + k * lanes + q);
            cs_truth better = row > top;
            here += 1;
            place = select_place(better, here, place);
            top = cs_select(better, row, top);
        }
        cs_store(best + q, top);
        for (size_t i = 0; i < CS_LANES; i++)
            winner[q + i] = (uint16_t)place[i];
    }
}

CS_INLINE cs_lanes
raised(cs_lanes top, cs_lanes x)
{
    return cs_select((x <= top) | (top != top), top, x);
}

void
CS_KERNEL(cs_raise_bests)(size_t R, size_t C, const cs_real *x, size_t x_row, cs_real *row_best,
                          cs_real *column_best)
{
    const cs_real least = (cs_real)-INFINITY;
    for (size_t r = 0; r < R; r++) {
        cs_lanes top = cs_splat(row_best[r]);
        for (size_t k = 0; k < C; k += CS_LANES) {
            cs_lanes here = cs_load_some(x + r * x_row + k, C - k, least);
            cs_lanes column = cs_load_some(column_best + k, C - k, least);
            top = raised(top, here);
            cs_store_some(column_best + k, C - k, raised(column, here));
        }
        for (size_t i = 0; i < CS_LANES; i++)
            if (!(top[i] <= row_best[r]) && row_best[r] == row_best[r])
                row_best[r] = top[i];
    }
}

/* A vector as long as a register, because the compiler takes longer ones through the stack; it may
 * start at any number in memory. */
#if defined(__AVX512F__)
enum { REGISTER = 64 };
#elif defined(__AVX2__)
enum { REGISTER = 32 };
#else
enum { REGISTER = 16 };
#endif
typedef cs_real vector
    __attribute__((vector_size(REGISTER), aligned(sizeof(cs_real)), may_alias));

enum { VECTORS = CS_CHUNK * sizeof(cs_real) / REGISTER };

#define EACH_VECTOR _Pragma("GCC unroll 16") for (size_t v = 0; v < VECTORS; v++)

/* `count` is a constant after inlining, so that pointers and weights stay in registers. */
CS_INLINE void
gather(size_t Q, size_t count, const uint16_t *const *winner, const cs_real *weight,
       const cs_real *const *rows, cs_real *out)
{
    const uint16_t *place[CS_GATHERED];
    const cs_real *from[CS_GATHERED];
    cs_real factor[CS_GATHERED];
    for (size_t s = 0; s < count; s++) {
        place[s] = winner[s];
        from[s] = rows[s];
        factor[s] = weight[s];
    }
    for (size_t q = 0; q < Q; q++) {
        vector *to = (vector *)(out + q * CS_CHUNK), sum[VECTORS];
        EACH_VECTOR sum[v] = to[v];
        _Pragma("GCC unroll 4")
        for (size_t s = 0; s < count; s++) {
            const vector *row = (const vector *)(from[s] + (size_t)place[s][q] * CS_CHUNK);
            EACH_VECTOR sum[v] += factor[s] * row[v];
        }
        EACH_VECTOR to[v] = sum[v];
    }
}

void
CS_KERNEL(cs_gather_rows)(size_t Q, size_t count, const uint16_t *const *winner,
                          const cs_real *weight, const cs_real *const *rows, cs_real *out)
{
    switch (count) {
    case 1: gather(Q, 1, winner, weight, rows, out); break;
    case 2: gather(Q, 2, winner, weight, rows, out); break;
    case 3: gather(Q, 3, winner, weight, rows, out); break;
    default: gather(Q, CS_GATHERED, winner, weight, rows, out); break;
    }
}

CS_INLINE void
scatter(size_t Q, size_t count, const uint16_t *const *winner, const cs_real *weight,
        const cs_real *rows, cs_real *const *out)
{
    const uint16_t *place[CS_GATHERED];
    cs_real *to[CS_GATHERED], factor[CS_GATHERED];
    for (size_t s = 0; s < count; s++) {
        place[s] = winner[s];
        to[s] = out[s];
        factor[s] = weight[s];
    }
    for (size_t q = 0; q < Q; q++) {
        const vector *from = (const vector *)(rows + q * CS_CHUNK);
        vector row[VECTORS];
        EACH_VECTOR row[v] = from[v];
        _Pragma("GCC unroll 4")
        for (size_t s = 0; s < count; s++) {
            vector *sum = (vector *)(to[s] + (size_t)place[s][q] * CS_CHUNK);
            EACH_VECTOR sum[v] += factor[s] * row[v];
        }
    }
}

void
CS_KERNEL(cs_scatter_rows)(size_t Q, size_t count, const uint16_t *const *winner,
                           const cs_real *weight, const cs_real *rows, cs_real *const *out)
{
    switch (count) {
    case 1: scatter(Q, 1, winner, weight, rows, out); break;
    case 2: scatter(Q, 2, winner, weight, rows, out); break;
    case 3: scatter(Q, 3, winner, weight, rows, out); break;
    default: scatter(Q, CS_GATHERED, winner, weight, rows, out); break;
    }
}

/* Rows lie apart in memory: fetch those to come, every line of them. */
enum { AHEAD = 8, LINE = 64 / sizeof(cs_real) };

void
CS_KERNEL(cs_take_chunk)(size_t count, const size_t *index, const cs_real *norm, size_t D,
                         const cs_real *x, cs_real *out)
{
    for (size_t k = 0; k < count; k++) {
        if (k + AHEAD < count) {
            const cs_real *next = x + index[k + AHEAD] * D;
            for (size_t i = 0; i < CS_CHUNK; i += LINE)
                __builtin_prefetch(next + i);
            __builtin_prefetch(next + CS_CHUNK - 1);
        }
        const vector *row = (const vector *)(x + index[k] * D);
        vector *to = (vector *)(out + k * CS_CHUNK);
        cs_real length = norm[index[k]], inverse = length == 0 ? 0 : 1 / length;
        EACH_VECTOR to[v] = inverse * row[v];
    }
}

void
CS_KERNEL(cs_add_chunk)(size_t count, const size_t *index, size_t D, const cs_real *d, cs_real *dx)
{
    for (size_t k = 0; k < count; k++) {
        if (k + AHEAD < count) {
            const cs_real *next = dx + index[k + AHEAD] * D;
            for (size_t i = 0; i < CS_CHUNK; i += LINE)
                __builtin_prefetch(next + i, 1);
            __builtin_prefetch(next + CS_CHUNK - 1, 1);
        }
        vector *to = (vector *)(dx + index[k] * D);
        const vector *from = (const vector *)(d + k * CS_CHUNK);
        EACH_VECTOR to[v] += from[v];
    }
}
