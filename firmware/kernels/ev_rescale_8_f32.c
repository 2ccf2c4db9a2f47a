/* 8-bit activations as real values: every byte is looked up. */
#include "ev_kernels.h"

void ev_rescale_8_f32(int32_t size, const float *table, const uint8_t *input, float *output) {
    for (int32_t i = 0; i < size; i++) {
        output[i] = table[input[i]];
    }
}
