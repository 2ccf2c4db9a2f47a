/* Real values on a 16-bit grid. */
#include "ev_requantise.h"

void ev_rescale_f32_s16(const ev_rescale *layer, const float *input, int16_t *output) {
    for (int32_t i = 0; i < layer->size; i++) {
        output[i] = (int16_t)ev_limit(input[i] / layer->scale, layer->zero, layer->low, layer->high);
    }
}
