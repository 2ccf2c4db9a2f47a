/* 16-bit activations as real values. */
#include "ev_kernels.h"

void ev_rescale_s16_f32(const ev_rescale *layer, const int16_t *input, float *output) {
    for (int32_t i = 0; i < layer->size; i++) {
        output[i] = (float)(input[i] - layer->in_zero) * layer->in_scale;
    }
}
