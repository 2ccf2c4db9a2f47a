/* Depthwise convolution of signed 8-bit activations with signed 8-bit weights, at active sites only. */
#define EV_KERNEL ev_sparse_depthwise_s8s8
#define EV_INPUT int8_t
#define EV_EXTEND "sxtb16"
#include "ev_sparse_depthwise_integer.h"
