/* Fully connected layer in float32. */
#define EV_KERNEL ev_linear_f32f32
#define EV_INPUT float
#include "ev_linear_float.h"
