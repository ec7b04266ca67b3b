#include "py/take.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Entries that the axes of an array without entries may have but for those of size 0: no memory
 * limits them, and loops may run over them. */
#define MOST_OF_EMPTY ((npy_intp)1 << 26)

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

/* An array without entries has sizes that such an array may have. */
static int
check_empty(const char *op, const cs_parameter *parameter, PyArrayObject *array)
{
    npy_intp others = 1;
    for (int i = 0; i < parameter->axes; i++) {
        npy_intp size = PyArray_DIM(array, i);
        if (size > MOST_OF_EMPTY / others) {
            PyErr_Format(PyExc_ValueError,
                         "%s(): '%s' has no entries, but sizes whose product, without the zeros, "
                         "is more than 2**26", op, parameter->name);
            return -1;
        }
        others *= size > 0 ? size : 1;
    }
    return 0;
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

/* Of a value that Python could not convert to a number: a text in an array is a ValueError of
   NumPy's. */
static int
refuse_conversion(const char *op, const cs_parameter *parameter, PyObject *value)
{
    if (PyErr_ExceptionMatches(PyExc_TypeError) || PyErr_ExceptionMatches(PyExc_ValueError))
        PyErr_Format(PyExc_TypeError, "%s(): '%s' is %s, expected %s", op, parameter->name,
                     Py_TYPE(value)->tp_name, parameter->expected);
    else if (PyErr_ExceptionMatches(PyExc_OverflowError))
        PyErr_Format(PyExc_ValueError, "%s(): '%s' has more than 64 bits, expected %s", op,
                     parameter->name, parameter->expected);
    return -1;
}

int
cs_take_whole(const char *op, const cs_parameter *parameter, PyObject *value, long long *out)
{
    *out = PyLong_AsLongLong(value);
    if (*out == -1 && PyErr_Occurred())
        return refuse_conversion(op, parameter, value);
    if (*out >= parameter->least && *out <= parameter->most)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s(): '%s' is %lld, expected %s", op, parameter->name, *out,
                 parameter->expected);
    return -1;
}

/* A number within its bounds that stays finite in the type in which the op takes it. */
static int
take_real(const char *op, const cs_parameter *parameter, PyObject *value, int real_type,
          double *out)
{
    *out = PyFloat_AsDouble(value);
    if (*out == -1 && PyErr_Occurred())
        return refuse_conversion(op, parameter, value);
    int wide = real_type == NPY_FLOAT64 || parameter->kind == CS_NUMBER_DOUBLE;
    double most = wide ? DBL_MAX : FLT_MAX;
    if (*out >= parameter->low && *out <= parameter->high && fabs(*out) <= most)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s(): '%s' is %R, expected %s in %s", op, parameter->name,
                 value, parameter->expected, wide ? "float64" : "float32");
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
    return *bytes == 0 ? check_empty(op, parameter, array) : 0;
}

static int
take_arrays(const char *op, const cs_signature *signature, PyObject *const *arguments,
            spans *arrays, cs_taken *out)
{
    npy_intp dim[26];
    arrays->count = 0;
    for (int i = 0; i < 26; i++)
        dim[i] = -1;
    for (int i = 0; i < signature->count; i++) {
        const cs_parameter *parameter = &signature->parameter[i];
        cs_argument *taken = &out->call.argument[i];
        size_t bytes;
        if (!cs_is_array(parameter->kind))
            continue;
        if (take_array(op, parameter, arguments[i], &out->real_type, dim, &bytes, taken) < 0)
            return -1;
        if (bytes == 0)
            continue;
        arrays->argument[arrays->count] = i;
        arrays->begin[arrays->count] = taken->array;
        arrays->end[arrays->count++] = (const char *)taken->array + bytes;
    }
    for (int i = 0; i < 26; i++)
        out->call.dim[i] = dim[i] < 0 ? 0 : (size_t)dim[i];
    return check_overlap(op, signature, arrays);
}

static int
take_numbers(const char *op, const cs_signature *signature, PyObject *const *arguments,
             cs_taken *out)
{
    for (int i = 0; i < signature->count; i++) {
        const cs_parameter *parameter = &signature->parameter[i];
        cs_argument *taken = &out->call.argument[i];
        if (cs_is_array(parameter->kind))
            continue;
        if ((parameter->kind == CS_WHOLE_NUMBER
                 ? cs_take_whole(op, parameter, arguments[i], &taken->integer)
                 : take_real(op, parameter, arguments[i], out->real_type, &taken->real)) < 0)
            return -1;
    }
    return 0;
}

/* Bytes that one of the copies takes: they follow each other, each aligned for any type. */
static size_t
bytes_of_copy(const cs_signature *signature, const spans *arrays, int k)
{
    enum { ALIGNMENT = 16 };
    if (!signature->parameter[arrays->argument[k]].copied)
        return 0;
    return ((size_t)(arrays->end[k] - arrays->begin[k]) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Another thread may write the arrays once the GIL is released: inputs that say what is read, and
 * how much of it, are read from copies. */
static int
copy_inputs(const cs_signature *signature, const spans *arrays, cs_taken *out)
{
    size_t bytes = 0;
    for (int k = 0; k < arrays->count; k++)
        bytes += bytes_of_copy(signature, arrays, k);
    if (bytes == 0)
        return 0;
    char *to = out->copies = malloc(bytes);
    if (to == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int k = 0; k < arrays->count; k++) {
        size_t length = bytes_of_copy(signature, arrays, k);
        if (length == 0)
            continue;
        memcpy(to, arrays->begin[k], (size_t)(arrays->end[k] - arrays->begin[k]));
        out->call.argument[arrays->argument[k]].array = to;
        to += length;
    }
    return 0;
}

int
cs_take_arguments(const char *op, const cs_signature *signature, PyObject *const *arguments,
                  cs_taken *out)
{
    spans arrays;
    out->real_type = -1;
    out->copies = NULL;
    if (take_arrays(op, signature, arguments, &arrays, out) < 0 ||
        take_numbers(op, signature, arguments, out) < 0)
        return -1;
    return copy_inputs(signature, &arrays, out);
}
