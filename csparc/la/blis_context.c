#include "la/blis_context.h"

#include <string.h>

#include <blis.h>

#include "base/cpu.h"

static void *context = NULL;
static const char *context_name = "";

/* BLIS's look-up of a context changed its name between versions and is hidden in some shared
 * builds; the build finds out which name links, if any (build_support/build_core.py). */
static void *
look_up(const char *name)
{
#if defined(CS_BLIS_LOOKUP)
    for (int id = 0; id < BLIS_NUM_ARCHS; id++) {
        if (strcmp(name, bli_arch_string((arch_t)id)) == 0)
            return (void *)CS_BLIS_LOOKUP((arch_t)id);
    }
#else
    (void)name;
#endif
    return NULL;
}

/* Best first; the measurements behind the order are in docs/kernels.md. */
static const char *const *
candidates(void)
{
    static const char *const wide_amd[] = {"zen5", "skx", "zen4", "zen3", "haswell", NULL};
    static const char *const zen4[] = {"zen4", "zen3", "haswell", "skx", NULL};
    static const char *const zen[] = {"zen3", "zen2", "zen", "haswell", NULL};
    static const char *const avx512[] = {"skx", "haswell", NULL};
    static const char *const avx2[] = {"haswell", "zen", NULL};
    static const char *const none[] = {NULL};
    const cs_cpu_facts *cpu = cs_cpu();
    if (cpu->has_avx512 && cpu->is_amd)
        return cpu->family >= 26 ? wide_amd : zen4;
    if (cpu->has_avx512)
        return avx512;
    if (cpu->has_avx2)
        return cpu->is_amd ? zen : avx2;
    return none;
}

/* A forced context this processor cannot run would end the process at the first product. */
static int
runs_here(const char *name)
{
    static const char *const need_avx512[] = {"skx", "knl", "zen4", "zen5"};
    static const char *const need_avx2[] = {"haswell", "zen", "zen2", "zen3", "excavator"};
    for (size_t i = 0; i < sizeof need_avx512 / sizeof *need_avx512; i++) {
        if (strcmp(name, need_avx512[i]) == 0)
            return cs_cpu()->has_avx512;
    }
    for (size_t i = 0; i < sizeof need_avx2 / sizeof *need_avx2; i++) {
        if (strcmp(name, need_avx2[i]) == 0)
            return cs_cpu()->has_avx2;
    }
    return 1;
}

cs_status
cs_blis_init(const char *name)
{
    bli_init();
    if (name != NULL && name[0] != '\0') {
        context = runs_here(name) ? look_up(name) : NULL;
        context_name = name;
        return context != NULL ? CS_OK : CS_EVALUE;
    }
    for (const char *const *wanted = candidates(); *wanted != NULL; wanted++) {
        context = look_up(*wanted);
        if (context != NULL) {
            context_name = *wanted;
            return CS_OK;
        }
    }
    context_name = bli_arch_string(bli_arch_query_id());
    return CS_OK;
}

const char *
cs_blis_context_name(void)
{
    return context_name;
}

const char *
cs_blis_version(void)
{
    return bli_info_get_version_str();
}

void *
cs_blis_context(void)
{
    return context;
}
