/* Max pooling of signed 8-bit activations, at active sites only. */
#define EV_KERNEL ev_sparse_maxpool_s8
#define EV_INPUT int8_t
#include "ev_sparse_maxpool.h"
