/* Exponential moving average of weights: average <- average + rate (weight - average).
 *
 *   weight (N) in    average (N) read and written    rate = 1 - decay, from 0 to 1
 *
 * 3N FLOP; bandwidth bound: 3 words an entry. Entries by themselves: the same bits on any
 * threads and every instruction set.
 */
#ifndef CS_AVERAGE_H
#define CS_AVERAGE_H

#include "base/real.h"
#include "csparc.h"

cs_status CS_TYPED(cs_average)(size_t N, double rate, const cs_real *weight, cs_real *average);

#endif
