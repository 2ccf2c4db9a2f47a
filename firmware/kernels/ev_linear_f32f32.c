/* Fully connected layer in float32. */
#include "ev_kernels.h"

void ev_linear_f32f32(const ev_linear_weights_f32 *layer, const float *input, float *output) {
    for (int32_t o = 0; o < layer->outputs; o++) {
        const float *weight = layer->weight + o * layer->inputs;
        float acc = layer->bias[o];
        for (int32_t i = 0; i < layer->inputs; i++) {
            acc += input[i] * weight[i];
        }
        output[o] = layer->relu && acc < 0.0f ? 0.0f : acc;
    }
}
