/* 16-bit activations on another 16-bit grid. */
#include "ev_requantise.h"

void ev_rescale_s16_s16(const ev_rescale *layer, const int16_t *input, int16_t *output) {
    for (int32_t i = 0; i < layer->size; i++) {
        const float real = (float)(input[i] - layer->in_zero) * layer->in_scale;
        output[i] = (int16_t)ev_limit(real / layer->scale, layer->zero, layer->low, layer->high);
    }
}
