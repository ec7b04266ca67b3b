/* The extension module csparc._core: one function per line of ops.def, and the run-time
 * settings. */
#define CS_OWNS_NUMPY_API
#include "py/numpy_api.h"

#include <limits.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/threads.h"
#include "la/blis_context.h"
#include "la/bf16_product.h"
#include "op/linear.h"
#include "py/bind.h"
#include "py/measure.h"
#include "py/take.h"

static PyObject *
set_num_threads(PyObject *module, PyObject *value)
{
    (void)module;
    static const cs_parameter parameter = {
        .name = "count", .least = 1, .most = LLONG_MAX, .expected = "a whole number, at least 1"};
    long long count;
    if (cs_take_whole("set_num_threads", &parameter, value, &count) < 0)
        return NULL;
    cs_set_thread_count(count > 1024 ? 1024 : (int)count);
    Py_RETURN_NONE;
}

static PyObject *
get_num_threads(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromLong(cs_thread_count());
}

static PyObject *
config(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return Py_BuildValue("{s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:O}",
                         "blis_version", cs_blis_version(), "blis_context", cs_blis_context_name(),
                         "isa", cs_isa_name(cs_isa()), "bfloat16", cs_bf16_name(),
                         "weights_in_place", CS_LARGEST_TILED,
                         "threads", cs_thread_count(), "processors", cs_processor_count(),
#ifdef _OPENMP
                         "openmp", Py_True
#else
                         "openmp", Py_False
#endif
    );
}

static PyMethodDef methods[] = {
    {"set_num_threads", set_num_threads, METH_O,
     "set_num_threads(count, /)\n--\n\nThreads the next calls use."},
    {"get_num_threads", get_num_threads, METH_NOARGS,
     "get_num_threads()\n--\n\nThreads the next calls use."},
    {"config", config, METH_NOARGS, "config()\n--\n\nWhat was chosen when the module was loaded."},
    CS_MEASURE_METHODS,
    {NULL, NULL, 0, NULL},
};

/* A whole positive number from the environment, the first in a list such as "4,2"; 0 if unset. */
static int
count_from_environment(const char *variable)
{
    const char *text = getenv(variable);
    long count = text != NULL ? strtol(text, NULL, 10) : 0;
    return count > 0 && count <= 1024 ? (int)count : 0;
}

/* CSPARC_NUM_THREADS; 0 if it is unset, -1 and an exception if it is no count. */
static int
threads_asked_for(void)
{
    const char *text = getenv("CSPARC_NUM_THREADS");
    if (text == NULL || *text == '\0')
        return 0;
    char *end;
    long count = strtol(text, &end, 10);
    if (*end == '\0' && count >= 1 && count <= 1024)
        return (int)count;
    PyErr_Format(PyExc_ImportError,
                 "CSPARC_NUM_THREADS is '%s', expected a whole number from 1 to 1024", text);
    return -1;
}

static int
choose_kernels(void)
{
    const char *isa = getenv("CSPARC_ISA"), *blis = getenv("CSPARC_BLIS_CONTEXT");
    if (cs_cpu_init(isa) != CS_OK) {
        PyErr_Format(PyExc_ImportError,
                     "CSPARC_ISA is '%s', expected portable, avx2 or avx512, as far as this "
                     "processor has them", isa);
        return -1;
    }
    const char *pairs = getenv("CSPARC_BF16");
    if (cs_bf16_init(pairs) != CS_OK) {
        PyErr_Format(PyExc_ImportError,
                     "CSPARC_BF16 is '%s', expected plain or avx512bf16, as far as this processor "
                     "and CSPARC_ISA have it", pairs);
        return -1;
    }
    if (cs_blis_init(blis) != CS_OK) {
        PyErr_Format(PyExc_ImportError,
                     "CSPARC_BLIS_CONTEXT is '%s', which this BLIS (%s) does not have or this "
                     "processor cannot run", blis,
                     cs_blis_version());
        return -1;
    }
    int threads = threads_asked_for();
    if (threads < 0)
        return -1;
    if (threads == 0)
        threads = count_from_environment("OMP_NUM_THREADS");
    cs_threads_init(threads > 0 ? threads : cs_processor_count());
    return 0;
}

static void
free_bound_op(PyObject *capsule)
{
    free(PyCapsule_GetPointer(capsule, NULL));
}

static int
add_op(PyObject *module, PyObject *texts, const cs_signature *signature, const cs_op *f32,
       const cs_op *f64)
{
    cs_bound_op *bound = calloc(1, sizeof *bound);
    if (bound == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    bound->signature = signature;
    bound->f32 = f32;
    bound->f64 = f64;
    bound->method = (PyMethodDef){f32->name, (PyCFunction)(void (*)(void))cs_bind_call,
                                  METH_FASTCALL, f32->signature};
    PyObject *self = PyCapsule_New(bound, NULL, free_bound_op);
    if (self == NULL) {
        free(bound);
        return -1;
    }
    PyObject *function = NULL, *text = NULL;
    int failed = (function = PyCFunction_New(&bound->method, self)) == NULL ||
                 PyModule_AddObjectRef(module, f32->name, function) < 0 ||
                 (text = PyUnicode_FromString(f32->signature)) == NULL ||
                 PyDict_SetItemString(texts, f32->name, text) < 0;
    Py_XDECREF(text);
    Py_XDECREF(function);
    Py_DECREF(self);
    return failed ? -1 : 0;
}

static int
add_ops(PyObject *module)
{
    PyObject *texts = PyDict_New();
    if (texts == NULL)
        return -1;
    int failed = 0;
    const cs_signature *signature = cs_signatures();
    for (const cs_op *f32 = cs_ops_f32(), *f64 = cs_ops_f64(); f32->name != NULL && !failed;
         f32++, f64++)
        failed = add_op(module, texts, signature++, f32, f64) < 0;
    failed = failed || PyModule_AddObjectRef(module, "OPS", texts) < 0;
    Py_DECREF(texts);
    return failed ? -1 : 0;
}

static int
module_exec(PyObject *module)
{
    if (PyArray_ImportNumPyAPI() < 0 || choose_kernels() < 0)
        return -1;
    return add_ops(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "csparc._core",
    .m_doc = "The C core: ops on NumPy arrays. OPS maps each op to its signature.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
