/* 2-D convolution of 16-bit activations with signed 8-bit weights, to 16 bit. */
#define EV_KERNEL ev_conv2d_s16s8
#define EV_INPUT int16_t
#define EV_OUTPUT int16_t
#define EV_WIDEN_INPUT ev_widen_pixel_s16
#define EV_MULTIPLY ev_multiply_pairs_s16
#include "ev_conv2d_integer.h"
