/* Max pooling of unsigned 8-bit activations, at active sites only. */
#define EV_KERNEL ev_sparse_maxpool_u8
#define EV_INPUT uint8_t
#include "ev_sparse_maxpool.h"
