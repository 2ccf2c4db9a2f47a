/* Global average pooling of unsigned 8-bit activations, to 16 bit. */
#define EV_KERNEL ev_avgpool_u8_s16
#define EV_INPUT uint8_t
#define EV_OUTPUT int16_t
#include "ev_avgpool.h"
