/* Average pooling under a window of unsigned 8-bit activations: an exact sum, then its mean on the output's grid. */
#define EV_KERNEL ev_avgpool2d_u8
#define EV_INPUT uint8_t
#include "ev_avgpool2d.h"
