/* Sum of two signed 8-bit activations, at active sites only. */
#define EV_KERNEL ev_sparse_add_s8s8
#define EV_A int8_t
#define EV_B int8_t
#include "ev_sparse_add_integer.h"
