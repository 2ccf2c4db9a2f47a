/* Depthwise convolution of unsigned 8-bit counts with float weights. */
#define EV_KERNEL ev_depthwise_u8f32
#define EV_INPUT uint8_t
#include "ev_depthwise_float.h"
