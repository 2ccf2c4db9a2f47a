/* Max pooling of unsigned 8-bit activations. */
#define EV_KERNEL ev_maxpool_u8
#define EV_INPUT uint8_t
#include "ev_maxpool.h"
