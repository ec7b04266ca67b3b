/* The gradient of op/conv.h by its input. */
#ifndef CS_CONV_INPUT_H
#define CS_CONV_INPUT_H

#include "op/conv_image.h"

/* dx is written; shape has passed cs_conv_check(). */
size_t CS_TYPED(cs_conv_input_scratch)(const cs_conv_shape *shape, size_t threads);
void CS_TYPED(cs_conv_input_gradient)(const cs_conv_shape *shape, const cs_real *weight,
                                      const cs_real *dy, cs_real *dx, size_t threads,
                                      void *scratch);

#endif
