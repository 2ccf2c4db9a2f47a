/* Max pooling of signed 8-bit activations. */
#define EV_KERNEL ev_maxpool_s8
#define EV_INPUT int8_t
#include "ev_maxpool.h"
