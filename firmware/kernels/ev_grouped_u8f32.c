/* 2-D convolution in groups of unsigned 8-bit counts with float weights. */
#define EV_KERNEL ev_grouped_u8f32
#define EV_INPUT uint8_t
#include "ev_grouped_float.h"
