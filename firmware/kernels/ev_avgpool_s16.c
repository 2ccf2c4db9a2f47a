/* Global average pooling of 16-bit activations. */
#define EV_KERNEL ev_avgpool_s16
#define EV_INPUT int16_t
#define EV_OUTPUT int16_t
#include "ev_avgpool.h"
