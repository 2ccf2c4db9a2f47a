/* Fully connected layer on signed 8-bit activations, to float32 logits. */
#include "ev_kernels.h"

void ev_linear_s8s8_f32(const ev_linear_s8_logits *layer, const int8_t *input, float *output) {
    for (int32_t o = 0; o < layer->outputs; o++) {
        const int8_t *weight = layer->weight + o * layer->inputs;
        int32_t acc = layer->bias[o];
        for (int32_t i = 0; i < layer->inputs; i++) {
            acc += input[i] * weight[i];
        }
        float logit = (float)acc * layer->multiplier[o];
        output[o] = layer->relu && logit < 0.0f ? 0.0f : logit;
    }
}
