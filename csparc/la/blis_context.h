/* Which of BLIS's kernel sets, its "contexts", runs. BLIS chooses by processor model and falls back
 * to scalar code, five times slower, on models it does not know; so the choice is made here, by
 * features and model, and handed to every call. Beside la/gemm.c the only code that knows BLIS. */
#ifndef CS_BLIS_CONTEXT_H
#define CS_BLIS_CONTEXT_H

#include "base/status.h"

/* `name` forces a context ("haswell", "zen3", "skx", ...), NULL or "" chooses. CS_EVALUE: this BLIS
 * has no such context, or this processor cannot run it. Called once, after cs_cpu_init; not safe
 * beside a running product. */
cs_status cs_blis_init(const char *name);

const char *cs_blis_context_name(void);
const char *cs_blis_version(void);

/* The context to pass to BLIS (a cntx_t *); NULL lets BLIS use its own guess. */
void *cs_blis_context(void);

#endif
