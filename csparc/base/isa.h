/* One source, several instruction sets. A .c file that includes this header itself is compiled once
 * per set the build knows (ISAS in build_support/build_core.py), each time with CS_ISA defined to
 * its name; its external names are written CS_KERNEL(name) and become name_f32_avx2 and so on.
 * Which one runs is decided at run time by cs_isa() (base/cpu.h). */
#ifndef CS_ISA_H
#define CS_ISA_H

#include "base/real.h"

#define CS_KERNEL_JOIN(name, isa) name##_##isa
#define CS_KERNEL_EXPAND(name, isa) CS_KERNEL_JOIN(name, isa)
#ifdef CS_FLOAT64
#define CS_KERNEL(name) CS_KERNEL_EXPAND(name##_f64, CS_ISA)
#else
#define CS_KERNEL(name) CS_KERNEL_EXPAND(name##_f32, CS_ISA)
#endif

#endif
