/* Depthwise convolution of unsigned 8-bit activations with signed 8-bit weights, at active sites only. */
#define EV_KERNEL ev_sparse_depthwise_u8s8
#define EV_INPUT uint8_t
#define EV_EXTEND "uxtb16"
#include "ev_sparse_depthwise_integer.h"
