/* Which copy of kernels.c and of pair_kernels.c runs. */
#include "base/isa_table.h"
#include "base/real.h"
#include "loss/kernels/sparc.h"
#include "loss/kernels/pairs.h"

CS_ISA_TABLE(CS_TYPED(cs_loss_kernels_in_use), CS_TYPED(cs_loss_kernels), cs_loss_kernels_of)
CS_ISA_TABLE(CS_TYPED(cs_pair_kernels_in_use), CS_TYPED(cs_pair_kernels), cs_pair_kernels_of)
