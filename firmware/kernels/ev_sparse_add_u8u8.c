/* Sum of two unsigned 8-bit activations, at active sites only. */
#define EV_KERNEL ev_sparse_add_u8u8
#define EV_A uint8_t
#define EV_B uint8_t
#include "ev_sparse_add_integer.h"
