/* Depthwise convolution with several filters per channel of unsigned 8-bit activations with signed 8-bit weights. */
#define EV_KERNEL ev_multiplied_u8s8
#define EV_INPUT uint8_t
#define EV_EXTEND "uxtb16"
#include "ev_multiplied_integer.h"
