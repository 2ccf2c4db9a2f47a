/* Fully connected layer on 16-bit activations, to float32 logits. */
#include "ev_linear_s16.h"

void ev_linear_s16s8_f32(const ev_linear_s8_logits *layer, const int16_t *input, float *output) {
    const int32_t inputs = layer->inputs, outputs = layer->outputs;
    float sums[3];
    for (int32_t done = 0, o = 0, count; done < outputs; done = o + count) {
        count = next_sums(layer->weight, layer->bias, inputs, outputs, done, layer->wide, input, sums, &o);
        for (int32_t k = 0; k < count; k++) {
            const float value = sums[k] * layer->multiplier[o + k];
            output[o + k] = layer->relu && value < 0.0f ? 0.0f : value;
        }
    }
}
