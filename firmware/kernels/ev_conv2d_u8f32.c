/* 2-D convolution of unsigned 8-bit counts with float weights: the first layer of a float network. */
#define EV_KERNEL ev_conv2d_u8f32
#define EV_INPUT uint8_t
#include "ev_conv2d_float.h"
