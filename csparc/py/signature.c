#include "py/signature.h"

#include <float.h>
#include <limits.h>

#include "py/numpy_api.h"

#include "derived/parameters.h"

_Static_assert((int)MOST_ARGUMENTS <= (int)CS_MOST_ARGUMENTS, "an op has too many arguments");

const cs_signature *
cs_signatures(void)
{
    return signatures;
}
