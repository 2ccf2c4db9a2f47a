/* Real values on an 8-bit grid. */
#include "ev_requantise.h"

void ev_rescale_f32_8(const ev_rescale *layer, const float *input, uint8_t *output) {
    for (int32_t i = 0; i < layer->size; i++) {
        output[i] = (uint8_t)ev_limit(input[i] / layer->scale, layer->zero, layer->low, layer->high);
    }
}
