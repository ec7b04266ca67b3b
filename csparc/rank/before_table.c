/* Which copy of the kernels that count what stands before a right answer runs. */
#include "base/isa_table.h"
#include "base/real.h"
#include "rank/before.h"

CS_ISA_TABLE(CS_TYPED(cs_before), CS_TYPED(cs_before_kernels), cs_before_kernels_of)
