/* Which copy of a source that is compiled once per instruction set runs. */
#ifndef CS_ISA_TABLE_H
#define CS_ISA_TABLE_H

#include "base/cpu.h"
#include "base/real.h"

#ifdef CS_FLOAT64
#define CS_ISA_COPY(name, isa) name##_f64_##isa
#else
#define CS_ISA_COPY(name, isa) name##_f32_##isa
#endif

/* The accessor of one kind of table; `name` holds the tables, one an instruction set. */
#ifdef CS_HAS_X86_ISAS
#define CS_ISA_TABLE(accessor, type, name)                                      \
    extern const type CS_ISA_COPY(name, portable), CS_ISA_COPY(name, avx2),     \
        CS_ISA_COPY(name, avx512);                                              \
    const type *accessor(void)                                                  \
    {                                                                           \
        static const type *const copies[CS_ISA_COUNT] = {                       \
            [CS_ISA_PORTABLE] = &CS_ISA_COPY(name, portable),                   \
            [CS_ISA_AVX2] = &CS_ISA_COPY(name, avx2),                           \
            [CS_ISA_AVX512] = &CS_ISA_COPY(name, avx512),                       \
        };                                                                      \
        return copies[cs_isa()];                                                \
    }
#else
#define CS_ISA_TABLE(accessor, type, name)                                      \
    extern const type CS_ISA_COPY(name, portable);                              \
    const type *accessor(void)                                                  \
    {                                                                           \
        return &CS_ISA_COPY(name, portable);                                    \
    }
#endif

#endif
