#include "py/bind.h"

#include <stdlib.h>

#include "base/threads.h"
#include "py/scratch.h"

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

static const char *
type_name(int numpy_type)
{
    PyArray_Descr *descr = PyArray_DescrFromType(numpy_type);
    const char *name = descr != NULL ? descr->typeobj->tp_name : "?";
    Py_XDECREF(descr);
    return name;
}

/* Rank and layout of one array. */
static int
check_array(const char *op, const cs_parameter *parameter, PyArrayObject *array)
{
    if (PyArray_NDIM(array) != parameter->axes) {
        PyErr_Format(PyExc_ValueError, "%s(): '%s' has %d axes, expected %d", op, parameter->name,
                     PyArray_NDIM(array), parameter->axes);
        return -1;
    }
    if (!PyArray_ISCARRAY_RO(array)) {
        PyErr_Format(PyExc_ValueError,
                     "%s(): '%s' must be C-contiguous, aligned and in native byte order", op,
                     parameter->name);
        return -1;
    }
    if (parameter->output && !PyArray_ISWRITEABLE(array)) {
        PyErr_Format(PyExc_ValueError, "%s(): output '%s' is read-only", op, parameter->name);
        return -1;
    }
    return 0;
}

/* The call's real type is that of its first real array; all others must agree. */
static int
check_type(const char *op, const cs_parameter *parameter, PyArrayObject *array, int *real_type)
{
    int found = PyArray_TYPE(array), expected = parameter->numpy_type;
    if (parameter->kind == CS_ARRAY_REAL) {
        if (*real_type < 0 && (found == NPY_FLOAT32 || found == NPY_FLOAT64))
            *real_type = found;
        expected = *real_type < 0 ? NPY_FLOAT32 : *real_type;
    }
    if (PyArray_EquivTypenums(found, expected))
        return 0;
    PyErr_Format(PyExc_TypeError, "%s(): '%s' is %s, expected %s", op, parameter->name,
                 type_name(found), type_name(expected));
    return -1;
}

/* Every letter has one size. `dim` holds -1 for letters not met yet. */
static int
check_axes(const char *op, const cs_parameter *parameter, PyArrayObject *array,
           npy_intp dim[26])
{
    for (int i = 0; i < parameter->axes; i++) {
        npy_intp size = PyArray_DIM(array, i);
        char axis = parameter->axis[i];
        if (axis >= '0' && axis <= '9') {
            if (size != axis - '0') {
                PyErr_Format(PyExc_ValueError, "%s(): '%s' axis %d is %zd, expected %c", op,
                             parameter->name, i, (Py_ssize_t)size, axis);
                return -1;
            }
            continue;
        }
        npy_intp *known = &dim[axis - 'A'];
        if (*known < 0)
            *known = size;
        if (*known != size) {
            PyErr_Format(PyExc_ValueError, "%s(): '%s' axis %d is %zd, but %c = %zd", op,
                         parameter->name, i, (Py_ssize_t)size, axis, (Py_ssize_t)*known);
            return -1;
        }
    }
    return 0;
}

/* Where the array arguments lie: number of the argument, first byte, first byte behind. */
typedef struct {
    int count;
    int argument[CS_MOST_ARGUMENTS];
    const char *begin[CS_MOST_ARGUMENTS], *end[CS_MOST_ARGUMENTS];
} spans;

/* An output must share memory with no other argument. */
static int
check_overlap(const char *op, const cs_signature *signature, const spans *arrays)
{
    for (int i = 0; i < arrays->count; i++) {
        const cs_parameter *output = &signature->parameter[arrays->argument[i]];
        if (!output->output)
            continue;
        for (int j = 0; j < arrays->count; j++) {
            if (j != i && arrays->begin[i] < arrays->end[j] && arrays->begin[j] < arrays->end[i]) {
                PyErr_Format(PyExc_ValueError, "%s(): output '%s' shares memory with '%s'", op,
                             output->name, signature->parameter[arrays->argument[j]].name);
                return -1;
            }
        }
    }
    return 0;
}

static int
take_number(const char *op, const cs_parameter *parameter, PyObject *value, cs_argument *out)
{
    if (parameter->kind == CS_NUMBER)
        out->real = PyFloat_AsDouble(value);
    else
        out->integer = PyLong_AsLongLong(value);
    if (!PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_TypeError))
        PyErr_Format(PyExc_TypeError, "%s(): '%s' is %s, expected a number", op, parameter->name,
                     Py_TYPE(value)->tp_name);
    return -1;
}

static int
take_array(const char *op, const cs_parameter *parameter, PyObject *value, int *real_type,
           npy_intp dim[26], size_t *bytes, cs_argument *out)
{
    *bytes = 0;
    if (value == Py_None && parameter->optional) {
        out->array = NULL;
        return 0;
    }
    if (!PyArray_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s(): '%s' is %s, expected a NumPy array", op,
                     parameter->name, Py_TYPE(value)->tp_name);
        return -1;
    }
    PyArrayObject *array = (PyArrayObject *)value;
    if (check_array(op, parameter, array) < 0 || check_type(op, parameter, array, real_type) < 0 ||
        check_axes(op, parameter, array, dim) < 0)
        return -1;
    out->array = PyArray_DATA(array);
    *bytes = (size_t)PyArray_NBYTES(array);
    return 0;
}

static int
take_arguments(const cs_bound_op *op, PyObject *const *arguments, cs_call *call, int *real_type)
{
    const char *name = op->f32->name;
    spans arrays;
    npy_intp dim[26];
    arrays.count = 0;
    for (int i = 0; i < 26; i++)
        dim[i] = -1;
    for (int i = 0; i < op->signature.count; i++) {
        const cs_parameter *parameter = &op->signature.parameter[i];
        cs_argument *taken = &call->argument[i];
        size_t bytes = 0;
        int failed = parameter->kind == CS_NUMBER || parameter->kind == CS_WHOLE_NUMBER
                         ? take_number(name, parameter, arguments[i], taken)
                         : take_array(name, parameter, arguments[i], real_type, dim, &bytes, taken);
        if (failed < 0)
            return -1;
        if (bytes == 0)
            continue;
        arrays.argument[arrays.count] = i;
        arrays.begin[arrays.count] = taken->array;
        arrays.end[arrays.count++] = (const char *)taken->array + bytes;
    }
    for (int i = 0; i < 26; i++)
        call->dim[i] = dim[i] < 0 ? 0 : (size_t)dim[i];
    return check_overlap(name, &op->signature, &arrays);
}

PyObject *
cs_bind_call(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    const cs_bound_op *bound = PyCapsule_GetPointer(self, NULL);
    if (bound == NULL)
        return NULL;
    if (count != bound->signature.count) {
        PyErr_Format(PyExc_TypeError, "%s() takes %d arguments (%s), got %zd", bound->f32->name,
                     bound->signature.count, bound->f32->signature, count);
        return NULL;
    }
    cs_call call;
    int real_type = -1;
    if (take_arguments(bound, arguments, &call, &real_type) < 0)
        return NULL;
    const cs_op *op = real_type == NPY_FLOAT64 ? bound->f64 : bound->f32;
    call.threads = (size_t)cs_thread_count();
    size_t bytes = op->scratch_bytes(&call);
    cs_scratch scratch = {NULL, 0};
    if (bytes > 0 && cs_scratch_take(bytes, &scratch) < 0)
        return PyErr_NoMemory();
    call.scratch = scratch.memory;
    cs_status status;
    Py_BEGIN_ALLOW_THREADS
    status = op->run(&call);
    Py_END_ALLOW_THREADS
    cs_scratch_give(scratch);
    if (status != CS_OK) {
        PyErr_Format(exception_of(status), "%s(): %s", op->name, cs_status_text(status));
        return NULL;
    }
    Py_RETURN_NONE;
}
