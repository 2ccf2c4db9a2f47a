/* Global average pooling of signed 8-bit activations. */
#define EV_KERNEL ev_avgpool_s8
#define EV_INPUT int8_t
#define EV_OUTPUT uint8_t
#include "ev_avgpool.h"
