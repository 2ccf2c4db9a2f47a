/* 2-D convolution of signed 8-bit activations with signed 8-bit weights, at active sites only. */
#define EV_KERNEL ev_sparse_conv2d_s8s8
#define EV_DENSE ev_conv2d_s8s8
#define EV_INPUT int8_t
#define EV_WIDEN_INPUT ev_widen_pixel_s8
#include "ev_sparse_conv2d_integer.h"
