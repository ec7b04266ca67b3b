#include "py/measure.h"

#include <string.h>

#include "base/count.h"
#include "base/threads.h"
#include "py/scratch.h"
#include "py/signature.h"

static const cs_op *
find_op(const char *name, size_t itemsize)
{
    const cs_op *op = itemsize == sizeof(double) ? cs_ops_f64() : cs_ops_f32();
    while (op->name != NULL && strcmp(op->name, name) != 0)
        op++;
    return op->name != NULL ? op : NULL;
}

/* sizes[name], `missing` where there is none; -1 with an exception if it is not a whole number. */
static long long
size_of(PyObject *sizes, const char *name, long long missing)
{
    PyObject *value = PyDict_GetItemString(sizes, name);
    if (value == NULL)
        return missing;
    long long size = PyLong_AsLongLong(value);
    if (size >= 0 || PyErr_Occurred())
        return PyErr_Occurred() ? -1 : size;
    PyErr_Format(PyExc_ValueError, "scratch_bytes(): '%s' is %lld, expected >= 0", name, size);
    return -1;
}

static int
take_axes(const cs_op *op, const cs_parameter *parameter, PyObject *sizes, cs_call *call)
{
    for (int i = 0; i < parameter->axes; i++) {
        char letter[2] = {parameter->axis[i], '\0'};
        if (letter[0] < 'A')
            continue;
        long long size = size_of(sizes, letter, -1);
        if (size < 0) {
            if (!PyErr_Occurred())
                PyErr_Format(PyExc_ValueError, "scratch_bytes(): %s needs '%s' for '%s'", op->name,
                             letter, parameter->name);
            return -1;
        }
        call->dim[letter[0] - 'A'] = (size_t)size;
    }
    return 0;
}

static int
take_sizes(const cs_op *op, PyObject *sizes, cs_call *call)
{
    static double present; /* an address: arrays are there, nothing is read from them */
    cs_signature signature;
    if (cs_signature_parse(op->name, op->signature, &signature) < 0)
        return -1;
    for (int i = 0; i < signature.count; i++) {
        const cs_parameter *parameter = &signature.parameter[i];
        if (parameter->kind == CS_WHOLE_NUMBER) {
            call->argument[i].integer = size_of(sizes, parameter->name, 0);
            if (call->argument[i].integer < 0)
                return -1;
        } else if (parameter->kind != CS_NUMBER) {
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
    const cs_op *op = find_op(name, (size_t)itemsize);
    if (op == NULL)
        return PyErr_Format(PyExc_ValueError, "scratch_bytes(): no op is called '%s'", name);
    cs_call call = {.threads = (size_t)cs_thread_count()};
    if (take_sizes(op, sizes, &call) < 0)
        return NULL;
    return PyLong_FromSize_t(op->scratch_bytes(&call));
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
