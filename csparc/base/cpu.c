#include "base/cpu.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static cs_cpu_facts facts;
static cs_isa_id chosen = CS_ISA_PORTABLE;

static const char *const isa_names[CS_ISA_COUNT] = {
    [CS_ISA_PORTABLE] = "portable", [CS_ISA_AVX2] = "avx2", [CS_ISA_AVX512] = "avx512"};

static void
read_facts(void)
{
#if defined(__x86_64__)
    unsigned eax, ebx, ecx, edx;
    __builtin_cpu_init();
    facts.has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    facts.has_avx512 = facts.has_avx2 && __builtin_cpu_supports("avx512f") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512dq");
    facts.has_avx512bf16 = facts.has_avx512 && __builtin_cpu_supports("avx512bf16");
    if (__get_cpuid(0, &eax, &ebx, &ecx, &edx))
        facts.is_amd = ebx == signature_AMD_ebx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) {
        /* The extended fields count only when the base field is saturated. */
        unsigned base = (eax >> 8) & 15;
        facts.family = base == 15 ? base + ((eax >> 20) & 255) : base;
        facts.model = ((eax >> 4) & 15) | (base == 6 || base == 15 ? ((eax >> 16) & 15) << 4 : 0);
    }
#endif
}

cs_status
cs_cpu_init(const char *name)
{
    read_facts();
    cs_isa_id best = facts.has_avx512 ? CS_ISA_AVX512
                     : facts.has_avx2 ? CS_ISA_AVX2
                                      : CS_ISA_PORTABLE;
    if (name == NULL || name[0] == '\0') {
        chosen = best;
        return CS_OK;
    }
    for (int isa = 0; isa <= (int)best; isa++) {
        if (strcmp(name, isa_names[isa]) == 0) {
            chosen = (cs_isa_id)isa;
            return CS_OK;
        }
    }
    return CS_EVALUE;
}

cs_isa_id
cs_isa(void)
{
    return chosen;
}

const char *
cs_isa_name(cs_isa_id isa)
{
    return (unsigned)isa < CS_ISA_COUNT ? isa_names[isa] : "unknown";
}

const cs_cpu_facts *
cs_cpu(void)
{
    return &facts;
}
