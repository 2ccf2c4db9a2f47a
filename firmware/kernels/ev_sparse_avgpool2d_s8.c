/* Average pooling under a window of signed 8-bit activations, at active sites only. */
#define EV_KERNEL ev_sparse_avgpool2d_s8
#define EV_INPUT int8_t
#include "ev_sparse_avgpool2d.h"
