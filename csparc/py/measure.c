#include "py/measure.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/count.h"
#include "base/threads.h"
#include "py/scratch.h"
#include "py/take.h"

static const cs_op *
find_op(const char *name, size_t itemsize, const cs_signature **signature)
{
    const cs_op *op = itemsize == sizeof(double) ? cs_ops_f64() : cs_ops_f32();
    *signature = cs_signatures();
    while (op->name != NULL && strcmp(op->name, name) != 0) {
        op++;
        ++*signature;
    }
    return op->name != NULL ? op : NULL;
}

static int
take_axes(const cs_op *op, const cs_parameter *parameter, PyObject *sizes, cs_call *call)
{
    for (int i = 0; i < parameter->axes; i++) {
        char letter[2] = {parameter->axis[i], '\0'};
        if (letter[0] < 'A')
            continue;
        const cs_parameter axis = {
            .name = letter, .most = LLONG_MAX, .expected = "a whole number, at least 0"};
        PyObject *value = PyDict_GetItemString(sizes, letter);
        long long size;
        if (value == NULL)
            PyErr_Format(PyExc_ValueError, "scratch_bytes(): %s needs '%s' for '%s'", op->name,
                         letter, parameter->name);
        if (value == NULL || cs_take_whole("scratch_bytes", &axis, value, &size) < 0)
            return -1;
        call->dim[letter[0] - 'A'] = (size_t)size;
    }
    return 0;
}

static int
take_sizes(const cs_op *op, const cs_signature *signature, PyObject *sizes, cs_call *call)
{
    static double present; /* an address: arrays are there, nothing is read from them */
    for (int i = 0; i < signature->count; i++) {
        const cs_parameter *parameter = &signature->parameter[i];
        if (parameter->kind == CS_WHOLE_NUMBER) {
            PyObject *value = PyDict_GetItemString(sizes, parameter->name);
            long long *number = &call->argument[i].integer;
            *number = parameter->least > 0 ? parameter->least : 0;
            if (value != NULL && cs_take_whole("scratch_bytes", parameter, value, number) < 0)
                return -1;
        } else if (cs_is_array(parameter->kind)) {
            if (parameter->kind == CS_ARRAY_OTHER && parameter->numpy_type == NPY_INT32 &&
                !parameter->output) {
                PyErr_Format(PyExc_ValueError, "scratch_bytes(): %s's depends on what '%s' holds",
                             op->name, parameter->name);
                return -1;
            }
            call->argument[i].array = &present;
            if (take_axes(op, parameter, sizes, call) < 0)
                return -1;
        }
    }
    return 0;
}

PyObject *
cs_measure_scratch_bytes(PyObject *module, PyObject *arguments)
{
    (void)module;
    const char *name;
    Py_ssize_t itemsize;
    PyObject *sizes;
    if (!PyArg_ParseTuple(arguments, "snO!:scratch_bytes", &name, &itemsize, &PyDict_Type, &sizes))
        return NULL;
    if (itemsize != sizeof(float) && itemsize != sizeof(double))
        return PyErr_Format(PyExc_ValueError, "scratch_bytes(): 'itemsize' is %zd, expected 4 or 8",
                            itemsize);
    const cs_signature *signature;
    const cs_op *op = find_op(name, (size_t)itemsize, &signature);
    if (op == NULL)
        return PyErr_Format(PyExc_ValueError, "scratch_bytes(): no op is called '%s'", name);
    cs_call call = {.threads = (size_t)cs_thread_count()};
    if (take_sizes(op, signature, sizes, &call) < 0)
        return NULL;
    size_t bytes = op->scratch_bytes(&call);
    if (bytes == SIZE_MAX)
        return PyErr_Format(PyExc_MemoryError, "scratch_bytes(): %s takes more than 2**64 bytes",
                            name);
    return PyLong_FromSize_t(bytes);
}

PyObject *
cs_measure_scratch_peak(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromSize_t(cs_scratch_peak());
}

PyObject *
cs_measure_count_flop(PyObject *module, PyObject *on)
{
    (void)module;
    int counting = PyObject_IsTrue(on);
    return counting < 0 ? NULL : PyLong_FromUnsignedLongLong(cs_count_restart(counting));
}
