/* Fully connected layer on 16-bit activations, to float32 logits. */
#include "ev_linear_s16.h"

void ev_linear_s16s8_f32(const ev_linear_s8_logits *layer, const int16_t *input, float *output) {
    float sums[4];
    for (int32_t o = 0, count; o < layer->outputs; o += count) {
        count = next_sums(layer->weight, layer->bias, layer->inputs, layer->outputs, o, layer->wide, input, sums);
        for (int32_t k = 0; k < count; k++) {
            const float value = sums[k] * layer->multiplier[o + k];
            output[o + k] = layer->relu && value < 0.0f ? 0.0f : value;
        }
    }
}
