/* Max pooling of 16-bit activations. */
#define EV_KERNEL ev_maxpool_s16
#define EV_INPUT int16_t
#include "ev_maxpool.h"
