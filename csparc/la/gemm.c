#include "la/gemm.h"

#include <blis.h>

#include "base/blocks.h"
#include "base/count.h"
#include "base/real.h"
#include "base/threads.h"
#include "la/blis_context.h"

#ifdef CS_FLOAT64
#define BLIS_GEMM bli_dgemm_ex
#else
#define BLIS_GEMM bli_sgemm_ex
#endif

void
CS_TYPED(cs_gemm)(size_t M, size_t N, size_t K, cs_real alpha,
                  const cs_real *a, size_t a_row, size_t a_col,
                  const cs_real *b, size_t b_row, size_t b_col, cs_real beta,
                  cs_real *c, size_t c_row, size_t c_col)
{
    if (M == 0 || N == 0)
        return;
    cs_count_product(M, N, K);
    rntm_t threads;
    bli_rntm_init(&threads);
    bli_rntm_set_num_threads(1, &threads);
    /* BLIS takes non-const pointers and does not write A or B. */
    BLIS_GEMM(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, (dim_t)M, (dim_t)N, (dim_t)K, &alpha,
              (cs_real *)(uintptr_t)a, (inc_t)a_row, (inc_t)a_col,
              (cs_real *)(uintptr_t)b, (inc_t)b_row, (inc_t)b_col, &beta,
              c, (inc_t)c_row, (inc_t)c_col, (cntx_t *)cs_blis_context(), &threads);
}

/* Rows (or columns) of a block: eight blocks when there is that much, each long enough for BLIS's
 * register tiles and no longer than suits its cache blocks. */
static size_t
block_length(size_t extent)
{
    enum { BLOCKS = 8, TILE = 48, SHORTEST = 48, LONGEST = 288 };
    size_t length = cs_ceil_divide(extent / BLOCKS, TILE) * TILE;
    return length < SHORTEST ? SHORTEST : length > LONGEST ? LONGEST : length;
}

/* A product whose result is cut into blocks of m rows by n columns, `across` of them in a row. */
typedef struct {
    size_t M, N, K, m, n, across;
    cs_real alpha, beta;
    const cs_real *a, *b;
    size_t a_row, a_col, b_row, b_col;
    cs_real *c;
    size_t c_row, c_col;
} cut_product;

static void
one_block(const cut_product *p, size_t block)
{
    size_t i = block / p->across * p->m, j = block % p->across * p->n;
    CS_TYPED(cs_gemm)(cs_block_length(i, p->m, p->M), cs_block_length(j, p->n, p->N), p->K,
                      p->alpha, p->a + i * p->a_row, p->a_row, p->a_col, p->b + j * p->b_col,
                      p->b_row, p->b_col, p->beta, p->c + i * p->c_row + j * p->c_col, p->c_row,
                      p->c_col);
}

void
CS_TYPED(cs_gemm_parallel)(size_t M, size_t N, size_t K, cs_real alpha,
                           const cs_real *a, size_t a_row, size_t a_col,
                           const cs_real *b, size_t b_row, size_t b_col, cs_real beta,
                           cs_real *c, size_t c_row, size_t c_col)
{
    enum { WIDEST = 1024 };
    size_t m = M >= N ? block_length(M) : cs_least(M, WIDEST);
    size_t n = M >= N ? cs_least(N, WIDEST) : block_length(N);
    if (M == 0 || N == 0)
        return;
    const cut_product p = {M, N, K, m, n, cs_ceil_divide(N, n), alpha, beta, a, b,
                           a_row, a_col, b_row, b_col, c, c_row, c_col};
    size_t blocks = cs_ceil_divide(M, m) * p.across;
    const size_t threads = cs_threads_for((size_t)cs_thread_count(), blocks, M * N * K);
    CS_EACH_DYNAMIC(block, thread, blocks, threads, one_block(&p, block));
}
