/* Sum of 16-bit activations, divided as ONNX defines it. */
#include "ev_requantise.h"

void ev_add_s16s16(const ev_add *layer, const int16_t *a, const int16_t *b, int16_t *output) {
    for (int32_t i = 0; i < layer->size; i++) {
        const float sum =
            (float)(a[i] - layer->zero_a) * layer->scale_a + (float)(b[i] - layer->zero_b) * layer->scale_b;
        output[i] = (int16_t)ev_limit(sum / layer->scale, layer->zero, layer->low, layer->high);
    }
}
