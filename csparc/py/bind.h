/* Calls from Python: an op's arguments checked against its signature, then run without the GIL. */
#ifndef CS_BIND_H
#define CS_BIND_H

#include "py/numpy_api.h"
#include "py/signature.h"

typedef struct {
    const cs_op *f32, *f64;
    const cs_signature *signature;
    PyMethodDef method;
} cs_bound_op;

/* The METH_FASTCALL entry of every op; `self` is a capsule holding the cs_bound_op. */
PyObject *cs_bind_call(PyObject *self, PyObject *const *arguments, Py_ssize_t count);

#endif
