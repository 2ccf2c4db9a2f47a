/* Depthwise convolution in float32. */
#define EV_KERNEL ev_depthwise_f32f32
#define EV_INPUT float
#define EV_FLOAT_INPUT
#include "ev_depthwise_float.h"
