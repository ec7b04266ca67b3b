/* What this processor can do, decided once when the module is loaded. */
#ifndef CS_CPU_H
#define CS_CPU_H

#include "base/status.h"

/* Instruction sets the kernels are compiled for, weakest first. Off x86-64 only the portable set
 * exists (on AArch64 the compiler's baseline already is NEON). */
typedef enum { CS_ISA_PORTABLE, CS_ISA_AVX2, CS_ISA_AVX512, CS_ISA_COUNT } cs_isa_id;

/* Choose the set all kernels use: `name` forces one ("portable", "avx2", "avx512"), NULL or ""
 * takes the strongest the processor has. CS_EVALUE: unknown, or not on this processor. Called once,
 * before any kernel runs. */
cs_status cs_cpu_init(const char *name);

cs_isa_id cs_isa(void);
const char *cs_isa_name(cs_isa_id isa);

/* Family and model as the vendor numbers them (0 where cpuid does not exist), and whether the
 * vendor is AMD: BLIS contexts are chosen by them. */
typedef struct {
    unsigned family, model;
    int is_amd;
    int has_avx2, has_avx512, has_avx512bf16;
} cs_cpu_facts;

const cs_cpu_facts *cs_cpu(void);

#endif
