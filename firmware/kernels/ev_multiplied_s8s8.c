/* Depthwise convolution with several filters per channel of signed 8-bit activations with signed 8-bit weights. */
#define EV_KERNEL ev_multiplied_s8s8
#define EV_INPUT int8_t
#define EV_EXTEND "sxtb16"
#include "ev_multiplied_integer.h"
