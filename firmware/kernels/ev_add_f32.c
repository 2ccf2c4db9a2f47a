/* Sum of two float32 activations, rectified when relu is 1. */
#include "ev_kernels.h"

void ev_add_f32(int32_t size, int32_t relu, const float *a, const float *b, float *output) {
    for (int32_t i = 0; i < size; i++) {
        float sum = a[i] + b[i];
        output[i] = relu && sum < 0.0f ? 0.0f : sum;
    }
}
