/* 2-D convolution in groups of unsigned 8-bit activations with signed 8-bit weights. */
#define EV_KERNEL ev_grouped_u8s8
#define EV_INPUT uint8_t
#define EV_OUTPUT uint8_t
#define EV_WIDEN_INPUT ev_widen_pixel_u8
#define EV_MULTIPLY ev_multiply_pairs
#include "ev_grouped_integer.h"
