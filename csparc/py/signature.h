/* What the arguments of each op are: the signatures of ops.def, in its order. */
#ifndef CS_SIGNATURE_H
#define CS_SIGNATURE_H

#include "py/dispatch.h"

/* REAL: of the call's real type. */
typedef enum {
    CS_ARRAY_REAL,
    CS_ARRAY_OTHER,
    CS_NUMBER_REAL,
    CS_NUMBER_DOUBLE,
    CS_WHOLE_NUMBER
} cs_parameter_kind;

static inline int
cs_is_array(cs_parameter_kind kind)
{
    return kind == CS_ARRAY_REAL || kind == CS_ARRAY_OTHER;
}

typedef struct {
    const char *name;
    cs_parameter_kind kind;
    int output;
    /* Of an array. */
    int axes;
    const char *axis;     /* of each axis a letter, or a digit for a fixed size */
    int numpy_type;       /* of CS_ARRAY_OTHER */
    int optional, copied; /* copied: the op works on a copy, which nobody else can write */
    /* Of a number: its bounds, and the same in words. */
    long long least, most;
    double low, high;
    const char *expected;
} cs_parameter;

typedef struct {
    const char *name;
    int count;
    const cs_parameter *parameter;
} cs_signature;

/* One for each op of cs_ops_f32(), in the same order. */
const cs_signature *cs_signatures(void);

#endif
