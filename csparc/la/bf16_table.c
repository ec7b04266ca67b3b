/* Which copy of the bfloat16 kernels runs. */
#include <string.h>

#include "base/count.h"
#include "base/cpu.h"
#include "base/threads.h"
#include "la/bf16_product.h"

typedef struct {
    void (*product)(size_t, size_t, size_t, const cs_bf16_term *, const cs_bf16_result *);
    double (*peak)(size_t);
} products;

typedef struct {
    void (*of_floats)(size_t, size_t, const float *, size_t, cs_bf16x2 *, cs_bf16x2 *);
    void (*of_bits)(size_t, size_t, const uint16_t *, const uint8_t *, cs_bf16x2 *, cs_bf16x2 *);
    void (*floats)(size_t, const uint16_t *, float *);
    void (*add)(size_t, size_t, float, const uint16_t *, float *);
} forms;

#define DECLARE_PRODUCTS(isa)                                                                      \
    void cs_bf16_product_##isa(size_t, size_t, size_t, const cs_bf16_term *,                       \
                               const cs_bf16_result *);                                            \
    double cs_bf16_peak_##isa(size_t);
#define DECLARE(isa)                                                                               \
    DECLARE_PRODUCTS(isa)                                                                          \
    void cs_bf16_of_floats_##isa(size_t, size_t, const float *, size_t, cs_bf16x2 *,               \
                                 cs_bf16x2 *);                                                     \
    void cs_bf16_of_bits_##isa(size_t, size_t, const uint16_t *, const uint8_t *, cs_bf16x2 *,     \
                               cs_bf16x2 *);                                                       \
    void cs_floats_of_bf16_##isa(size_t, const uint16_t *, float *);                               \
    void cs_bf16_add_##isa(size_t, size_t, float, const uint16_t *, float *);
#define PRODUCTS(isa) {cs_bf16_product_##isa, cs_bf16_peak_##isa}
#define FORMS(isa)                                                                                 \
    {cs_bf16_of_floats_##isa, cs_bf16_of_bits_##isa, cs_floats_of_bf16_##isa, cs_bf16_add_##isa}

DECLARE(portable)
#ifdef CS_HAS_X86_ISAS
DECLARE(avx2)
DECLARE(avx512)
DECLARE(avx512bf16)

static const products by_isa[CS_ISA_COUNT] = {
    [CS_ISA_PORTABLE] = PRODUCTS(portable),
    [CS_ISA_AVX2] = PRODUCTS(avx2),
    [CS_ISA_AVX512] = PRODUCTS(avx512),
};
static const products instruction = PRODUCTS(avx512bf16);
static const forms forms_by_isa[CS_ISA_COUNT] = {
    [CS_ISA_PORTABLE] = FORMS(portable),
    [CS_ISA_AVX2] = FORMS(avx2),
    [CS_ISA_AVX512] = FORMS(avx512),
};
static const forms forms_by_instruction = FORMS(avx512bf16);
#else
static const products by_isa[] = {PRODUCTS(portable)}, instruction = PRODUCTS(portable);
static const forms forms_by_isa[] = {FORMS(portable)}, forms_by_instruction = FORMS(portable);
#endif

static int plain = 1;

cs_status
cs_bf16_init(const char *name)
{
    const int can = cs_isa() == CS_ISA_AVX512 && cs_cpu()->has_avx512bf16;
    plain = !can;
    if (name == NULL || name[0] == '\0')
        return CS_OK;
    plain = strcmp(name, "plain") == 0;
    return plain || (can && strcmp(name, "avx512bf16") == 0) ? CS_OK : CS_EVALUE;
}

const char *
cs_bf16_name(void)
{
    return plain ? "plain" : "avx512bf16";
}

static const products *
in_use(void)
{
    return plain ? &by_isa[cs_isa()] : &instruction;
}

static const forms *
forms_in_use(void)
{
    return plain ? &forms_by_isa[cs_isa()] : &forms_by_instruction;
}

void
cs_bf16_product(size_t M, size_t N, size_t terms, const cs_bf16_term *term,
                const cs_bf16_result *result)
{
    for (size_t q = 0; q < terms; q++)
        cs_count_product(M, N, 2 * term[q].K);
    in_use()->product(M, N, terms, term, result);
}

void
cs_bf16_of_floats(size_t N, size_t D, const float *x, size_t x_row, cs_bf16x2 *rows,
                  cs_bf16x2 *stack)
{
    forms_in_use()->of_floats(N, D, x, x_row, rows, stack);
}

void
cs_bf16_of_bits(size_t N, size_t D, const uint16_t *x, const uint8_t *valid, cs_bf16x2 *rows,
                cs_bf16x2 *stack)
{
    forms_in_use()->of_bits(N, D, x, valid, rows, stack);
}

void
cs_floats_of_bf16(size_t N, const uint16_t *x, float *y)
{
    forms_in_use()->floats(N, x, y);
}

void
cs_bf16_add(size_t N, size_t D, float a, const uint16_t *x, float *y)
{
    forms_in_use()->add(N, D, a, x, y);
}

/* Words of 32 bits are only moved: those of floats serve. */
void
cs_bf16_transpose(size_t N, size_t D, size_t M, const cs_bf16x2 *rows, cs_bf16x2 *transposed)
{
    const size_t row = cs_bf16x2_count(D);
    cs_transpose_f32(N, row, M, (const float *)(const void *)rows, row,
                     (float *)(void *)transposed);
}

void
cs_bf16_peak(size_t N, size_t rounds, double *flop)
{
    CS_EACH(i, N, cs_threads_if(1), flop[i] = in_use()->peak(rounds));
}
