/* Global average pooling of unsigned 8-bit activations. */
#define EV_KERNEL ev_avgpool_u8
#define EV_INPUT uint8_t
#define EV_OUTPUT uint8_t
#include "ev_avgpool.h"
