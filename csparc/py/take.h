/* From Python's arguments to a call: each checked against the signature. */
#ifndef CS_TAKE_H
#define CS_TAKE_H

#include "py/numpy_api.h"
#include "py/signature.h"

/* A call whose arguments were checked. */
typedef struct {
    cs_call call;
    int real_type; /* that of its real arrays, -1 where it has none */
    void *copies;  /* what the copied inputs point into, to be given to free(); or NULL */
} cs_taken;

/* 0, or -1 with an exception that names op, argument, what was found and what was expected. */
int cs_take_arguments(const char *op, const cs_signature *signature, PyObject *const *arguments,
                      cs_taken *out);

/* A whole number within the bounds of its parameter. */
int cs_take_whole(const char *op, const cs_parameter *parameter, PyObject *value, long long *out);

#endif
