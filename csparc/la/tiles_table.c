/* Which copy of the tile kernels runs; in double, la/gemm.h. */
#include "base/blocks.h"
#include "base/count.h"
#include "base/cpu.h"
#include "base/real.h"
#include "base/threads.h"
#include "la/gemm.h"
#include "la/rows.h"
#include "la/tiles.h"

#ifdef CS_FLOAT64

/* c[M,N] += a b, or = a b. BLIS takes no matrix whose rows (or columns) overlap: such an a is cut
 * where they begin to. */
static void
add_term(size_t M, size_t N, const cs_term_f64 *t, int add, double *c, size_t c_row)
{
    const int across = t->a_col < t->a_row;
    const size_t near = across ? t->a_col : t->a_row, far = across ? t->a_row : t->a_col;
    const size_t apart = near > 0 && far > near ? far / near : 1, extent = across ? t->K : M;
    if (extent <= apart || near == far) {
        cs_gemm_f64(M, N, t->K, 1, t->a, t->a_row, t->a_col, t->b, t->b_row, 1, add, c, c_row, 1);
        return;
    }
    for (size_t begin = 0; begin < extent; begin += apart) {
        const size_t count = cs_least(extent - begin, apart);
        if (across)
            cs_gemm_f64(M, N, count, 1, t->a + begin * t->a_col, t->a_row, t->a_col,
                        t->b + begin * t->b_row, t->b_row, 1, add || begin > 0, c, c_row, 1);
        else
            cs_gemm_f64(count, N, t->K, 1, t->a + begin * t->a_row, t->a_row, t->a_col, t->b,
                        t->b_row, 1, add, c + begin * c_row, c_row, 1);
    }
}

void
cs_product_f64(size_t M, size_t N, size_t terms, const cs_term_f64 *term,
               const cs_result_f64 *result)
{
    for (size_t i = 0; i < M; i++)
        if (result->rows != NULL)
            cs_rows_f64()->scale_add(N, result->e == NULL ? 1 : result->e[i],
                                     result->rows + i * result->rows_row, 0,
                                     result->c + i * result->c_row);
    for (size_t q = 0; q < terms; q++)
        add_term(M, N, &term[q], q > 0 || result->rows != NULL, result->c, result->c_row);
}

void
cs_transpose_f64(size_t N, size_t D, size_t M, const double *x, size_t x_row, double *xt)
{
    for (size_t d = 0; d < D; d++)
        for (size_t n = 0; n < M; n++)
            xt[d * M + n] = n < N ? x[n * x_row + d] : 0;
}

#else

typedef struct {
    void (*product)(size_t, size_t, size_t, const cs_term_f32 *, const cs_result_f32 *);
    size_t (*panel_columns)(void);
    void (*transpose)(size_t, size_t, size_t, const float *, size_t, float *);
    double (*peak)(size_t);
} copy;

#define DECLARE(isa)                                                                               \
    void cs_product_##isa(size_t, size_t, size_t, const cs_term_f32 *, const cs_result_f32 *);     \
    size_t cs_panel_columns_##isa(void);                                                           \
    void cs_transpose_##isa(size_t, size_t, size_t, const float *, size_t, float *);               \
    double cs_fma_peak_##isa(size_t);
#define COPY(isa) {cs_product_##isa, cs_panel_columns_##isa, cs_transpose_##isa, cs_fma_peak_##isa}

DECLARE(portable)
#ifdef CS_HAS_X86_ISAS
DECLARE(avx2)
DECLARE(avx512)
#endif

static const copy *
in_use(void)
{
#ifdef CS_HAS_X86_ISAS
    static const copy copies[CS_ISA_COUNT] = {
        [CS_ISA_PORTABLE] = COPY(portable),
        [CS_ISA_AVX2] = COPY(avx2),
        [CS_ISA_AVX512] = COPY(avx512),
    };
    return &copies[cs_isa()];
#else
    static const copy only = COPY(portable);
    return &only;
#endif
}

void
cs_product_f32(size_t M, size_t N, size_t terms, const cs_term_f32 *term,
               const cs_result_f32 *result)
{
    for (size_t q = 0; q < terms; q++)
        cs_count_product(M, N, term[q].K);
    in_use()->product(M, N, terms, term, result);
}

size_t
cs_panel_columns_f32(void)
{
    return in_use()->panel_columns();
}

void
cs_transpose_f32(size_t N, size_t D, size_t M, const float *x, size_t x_row, float *xt)
{
    in_use()->transpose(N, D, M, x, x_row, xt);
}

void
cs_fma_peak(size_t N, size_t rounds, double *flop)
{
    CS_EACH(i, N, cs_threads_if(1), flop[i] = in_use()->peak(rounds));
}

#endif
