#include "la/gemm.h"

#include <blis.h>

#include "base/count.h"
#include "base/real.h"
#include "base/threads.h"
#include "la/blis_context.h"

#ifdef CS_FLOAT64
#define BLIS_GEMM bli_dgemm_ex
#else
#define BLIS_GEMM bli_sgemm_ex
#endif

static size_t
min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

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
 * register tiles and no longer than its cache blocks like. */
static size_t
block_length(size_t extent)
{
    enum { BLOCKS = 8, TILE = 48, SHORTEST = 48, LONGEST = 288 };
    size_t length = (extent / BLOCKS + TILE - 1) / TILE * TILE;
    return length < SHORTEST ? SHORTEST : length > LONGEST ? LONGEST : length;
}

void
CS_TYPED(cs_gemm_parallel)(size_t M, size_t N, size_t K, cs_real alpha,
                           const cs_real *a, size_t a_row, size_t a_col,
                           const cs_real *b, size_t b_row, size_t b_col, cs_real beta,
                           cs_real *c, size_t c_row, size_t c_col)
{
    enum { WIDEST = 1024 };
    size_t m_block = M >= N ? block_length(M) : min_size(M, WIDEST);
    size_t n_block = M >= N ? min_size(N, WIDEST) : block_length(N);
    if (M == 0 || N == 0)
        return;
    size_t m_blocks = (M + m_block - 1) / m_block, n_blocks = (N + n_block - 1) / n_block;
    const size_t threads =
        cs_threads_for((size_t)cs_thread_count(), m_blocks * n_blocks, M * N * K);
    CS_PARALLEL_FOR_DYNAMIC_ON(threads)
    for (size_t i = 0; i < m_blocks * n_blocks; i++) {
        size_t m = i / n_blocks * m_block, n = i % n_blocks * n_block;
        CS_TYPED(cs_gemm)(min_size(M - m, m_block), min_size(N - n, n_block), K, alpha,
                          a + m * a_row, a_row, a_col, b + n * b_col, b_row, b_col, beta,
                          c + m * c_row + n * c_col, c_row, c_col);
    }
}
