/* Average pooling under a window of signed 8-bit activations: an exact sum, then its mean on the output's grid. */
#define EV_KERNEL ev_avgpool2d_s8
#define EV_INPUT int8_t
#include "ev_avgpool2d.h"
