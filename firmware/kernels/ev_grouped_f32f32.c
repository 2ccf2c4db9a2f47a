/* 2-D convolution in groups of float activations with float weights. */
#define EV_KERNEL ev_grouped_f32f32
#define EV_INPUT float
#include "ev_grouped_float.h"
