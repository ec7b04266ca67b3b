/* From a parsed call to the C function: the table of ops.def, once per type. Knows no Python. */
#ifndef CS_DISPATCH_H
#define CS_DISPATCH_H

#include <stddef.h>

#include "base/real.h"
#include "base/status.h"

enum { CS_MOST_ARGUMENTS = 40 };

/* One argument of a call: an array (NULL when it was optional and absent) or a number. */
typedef union {
    void *array;
    double real;
    long long integer;
} cs_argument;

typedef struct {
    size_t dim[26]; /* by letter: dim['N' - 'A'] */
    cs_argument argument[CS_MOST_ARGUMENTS];
    size_t threads; /* read once: another Python thread may change it during the call */
    void *scratch;  /* 64-byte aligned */
} cs_call;

typedef struct {
    const char *name;
    const char *signature;
    size_t (*scratch_bytes)(const cs_call *call);
    cs_status (*run)(const cs_call *call);
} cs_op;

/* The table, ended by a NULL name. Both types list the same ops in the same order. */
const cs_op *cs_ops_f32(void);
const cs_op *cs_ops_f64(void);

#endif
