/* Which copy of the kernels of optimisation runs. */
#include "base/isa_table.h"
#include "base/real.h"
#include "optim/kernels.h"

CS_ISA_TABLE(CS_TYPED(cs_optim), CS_TYPED(cs_optim_kernels), cs_optim_kernels_of)
