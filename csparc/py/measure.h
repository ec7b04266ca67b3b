/* What ops need and do, in numbers: scratch of an op that is not run, scratch and arithmetic of
 * those that were. */
#ifndef CS_MEASURE_H
#define CS_MEASURE_H

#include "py/numpy_api.h"

/* scratch_bytes(op, itemsize, sizes): scratch of a call with real numbers of 4 or 8 bytes, all
 * optional arrays present, on as many threads as are set. `sizes` maps letters to sizes and names
 * of whole-number arguments to values; one left out is 0, or the least it may be. MemoryError where
 * no number of 64 bits says it. Not for ops whose scratch depends on what
 * an array holds (an int32 input). */
PyObject *cs_measure_scratch_bytes(PyObject *module, PyObject *arguments);

PyObject *cs_measure_scratch_peak(PyObject *module, PyObject *unused);

PyObject *cs_measure_count_flop(PyObject *module, PyObject *on);

#define CS_MEASURE_METHODS                                                                         \
    {"scratch_bytes", cs_measure_scratch_bytes, METH_VARARGS,                                      \
     "scratch_bytes(op, itemsize, sizes, /)\n--\n\nScratch an op takes for these sizes."},         \
    {"scratch_peak", cs_measure_scratch_peak, METH_NOARGS,                                         \
     "scratch_peak()\n--\n\nMost bytes of scratch since the last such call; frees what is kept."}, \
    {"count_flop", cs_measure_count_flop, METH_O,                                                  \
     "count_flop(on, /)\n--\n\nStart or stop counting FLOP of products; the count until now."}

#endif
