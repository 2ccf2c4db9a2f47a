/* Average pooling under a window of unsigned 8-bit activations, at active sites only. */
#define EV_KERNEL ev_sparse_avgpool2d_u8
#define EV_INPUT uint8_t
#include "ev_sparse_avgpool2d.h"
