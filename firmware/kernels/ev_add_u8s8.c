/* Sum of unsigned and signed 8-bit activations. */
#define EV_KERNEL ev_add_u8s8
#define EV_A uint8_t
#define EV_B int8_t
#include "ev_add_integer.h"
