/* Max pooling in float32. */
#define EV_KERNEL ev_maxpool_f32
#define EV_INPUT float
#include "ev_maxpool.h"
