/* Which copy of the kernels runs. */
#include "base/cpu.h"
#include "base/real.h"
#include "la/layer_rows.h"
#include "la/rows.h"

#ifdef CS_FLOAT64
#define COPY(name, isa) name##_f64_##isa
#else
#define COPY(name, isa) name##_f32_##isa
#endif

/* The accessor of one kind of table; `name` holds the tables, one an instruction set. */
#ifdef CS_HAS_X86_ISAS
#define TABLE(accessor, type, name)                                                   \
    extern const type COPY(name, portable), COPY(name, avx2), COPY(name, avx512);     \
    const type *accessor(void)                                                        \
    {                                                                                 \
        static const type *const copies[CS_ISA_COUNT] = {                             \
            [CS_ISA_PORTABLE] = &COPY(name, portable),                                \
            [CS_ISA_AVX2] = &COPY(name, avx2),                                        \
            [CS_ISA_AVX512] = &COPY(name, avx512),                                    \
        };                                                                            \
        return copies[cs_isa()];                                                      \
    }
#else
#define TABLE(accessor, type, name)           \
    extern const type COPY(name, portable);   \
    const type *accessor(void)                \
    {                                         \
        return &COPY(name, portable);         \
    }
#endif

TABLE(CS_TYPED(cs_rows), CS_TYPED(cs_row_kernels), cs_row_kernels_of)
TABLE(CS_TYPED(cs_layer_rows), CS_TYPED(cs_layer_kernels), cs_layer_kernels_of)
