/* 2-D convolution of unsigned 8-bit activations with signed 8-bit weights, at active sites only. */
#define EV_KERNEL ev_sparse_conv2d_u8s8
#define EV_DENSE ev_conv2d_u8s8
#define EV_INPUT uint8_t
#define EV_WIDEN_INPUT ev_widen_pixel_u8
#include "ev_sparse_conv2d_integer.h"
