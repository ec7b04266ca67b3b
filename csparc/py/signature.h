/* The signatures of ops.def, parsed once when the module is loaded. */
#ifndef CS_SIGNATURE_H
#define CS_SIGNATURE_H

#include "py/dispatch.h"

enum { CS_MOST_AXES = 6, CS_LONGEST_NAME = 31 };

typedef enum { CS_ARRAY_REAL, CS_ARRAY_OTHER, CS_NUMBER, CS_WHOLE_NUMBER } cs_parameter_kind;

typedef struct {
    char name[CS_LONGEST_NAME + 1];
    cs_parameter_kind kind;
    int numpy_type;               /* of CS_ARRAY_OTHER */
    int axes;
    char axis[CS_MOST_AXES];      /* a letter, or a digit for a fixed size */
    int optional, output;
} cs_parameter;

typedef struct {
    int count;
    cs_parameter parameter[CS_MOST_ARGUMENTS];
} cs_signature;

/* 0, or -1 with a Python exception that quotes the signature. */
int cs_signature_parse(const char *name, const char *text, cs_signature *out);

#endif
