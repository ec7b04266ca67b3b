/* Which copy of pair_kernels.c runs. */
#include "base/cpu.h"
#include "base/real.h"
#include "loss/pair_kernels.h"

#ifdef CS_FLOAT64
#define COPY(isa) cs_pair_kernels_of_f64_##isa
#else
#define COPY(isa) cs_pair_kernels_of_f32_##isa
#endif

extern const CS_TYPED(cs_pair_kernels) COPY(portable);
#ifdef CS_HAS_X86_ISAS
extern const CS_TYPED(cs_pair_kernels) COPY(avx2), COPY(avx512);
#endif

const CS_TYPED(cs_pair_kernels) *
CS_TYPED(cs_pair_kernels_in_use)(void)
{
#ifdef CS_HAS_X86_ISAS
    static const CS_TYPED(cs_pair_kernels) *const copies[CS_ISA_COUNT] = {
        [CS_ISA_PORTABLE] = &COPY(portable),
        [CS_ISA_AVX2] = &COPY(avx2),
        [CS_ISA_AVX512] = &COPY(avx512),
    };
    return copies[cs_isa()];
#else
    return &COPY(portable);
#endif
}
