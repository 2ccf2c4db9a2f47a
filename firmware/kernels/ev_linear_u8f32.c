/* Fully connected layer on unsigned 8-bit counts with float weights. */
#define EV_KERNEL ev_linear_u8f32
#define EV_INPUT uint8_t
#include "ev_linear_float.h"
