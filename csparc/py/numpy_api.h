/* Python and NumPy, included one way everywhere in py/. module.c owns the imported API table. */
#ifndef CS_NUMPY_API_H
#define CS_NUMPY_API_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL csparc_numpy_api
#ifndef CS_OWNS_NUMPY_API
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#endif
