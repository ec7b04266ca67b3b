#include "py/bind.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/threads.h"
#include "py/scratch.h"
#include "py/take.h"

/* The exception of each status. */
static PyObject *
exception_of(cs_status status)
{
    switch (status) {
#define CS_STATUS(code, exception, text) \
    case code:                           \
        return exception;
#include "base/status.def"
#undef CS_STATUS
    default:
        return PyExc_SystemError;
    }
}

/* The numbers of a call, " (heads = 3, scale = 0.5)": among them is what an op did not take. */
static void
describe_numbers(const cs_signature *signature, const cs_call *call, size_t room, char *text)
{
    size_t at = 0;
    *text = '\0';
    for (int i = 0; i < signature->count && at < room; i++) {
        const cs_parameter *parameter = &signature->parameter[i];
        const cs_argument *argument = &call->argument[i];
        const char *before = at == 0 ? " (" : ", ";
        if (parameter->kind == CS_WHOLE_NUMBER)
            at += (size_t)snprintf(text + at, room - at, "%s%s = %lld", before, parameter->name,
                                   argument->integer);
        if (parameter->kind == CS_NUMBER_REAL || parameter->kind == CS_NUMBER_DOUBLE)
            at += (size_t)snprintf(text + at, room - at, "%s%s = %g", before, parameter->name,
                                   argument->real);
    }
    if (at > 0 && at < room)
        (void)snprintf(text + at, room - at, ")");
}

/* Runs a checked call in scratch of its own. */
static PyObject *
run(const cs_bound_op *bound, cs_taken *taken)
{
    enum { ROOM = 1024 };
    char numbers[ROOM];
    cs_call *call = &taken->call;
    const cs_op *op = taken->real_type == NPY_FLOAT64 ? bound->f64 : bound->f32;
    call->threads = (size_t)cs_thread_count();
    size_t bytes = op->scratch_bytes(call);
    cs_scratch scratch = {NULL, 0};
    if (bytes > 0 && cs_scratch_take(bytes, &scratch) < 0) {
        describe_numbers(bound->signature, call, ROOM, numbers);
        return PyErr_Format(PyExc_MemoryError, "%s(): no memory for %zu bytes of scratch%s",
                            op->name, bytes, numbers);
    }
    call->scratch = scratch.memory;
    cs_status status;
    Py_BEGIN_ALLOW_THREADS
    status = op->run(call);
    Py_END_ALLOW_THREADS
    cs_scratch_give(scratch);
    if (status != CS_OK) {
        describe_numbers(bound->signature, call, ROOM, numbers);
        return PyErr_Format(exception_of(status), "%s(): %s%s", op->name, cs_status_text(status),
                            numbers);
    }
    Py_RETURN_NONE;
}

PyObject *
cs_bind_call(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    const cs_bound_op *bound = PyCapsule_GetPointer(self, NULL);
    if (bound == NULL)
        return NULL;
    const char *name = bound->f32->name;
    if (count != bound->signature->count) {
        PyErr_Format(PyExc_TypeError, "%s() takes %d arguments (%s), got %zd", name,
                     bound->signature->count, bound->f32->signature, count);
        return NULL;
    }
    cs_taken taken;
    if (cs_take_arguments(name, bound->signature, arguments, &taken) < 0)
        return NULL;
    PyObject *result = run(bound, &taken);
    free(taken.copies);
    return result;
}
