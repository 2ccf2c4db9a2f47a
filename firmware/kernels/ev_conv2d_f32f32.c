/* 2-D convolution in float32. */
#define EV_KERNEL ev_conv2d_f32f32
#define EV_INPUT float
#define EV_FLOAT_INPUT
#include "ev_conv2d_float.h"
