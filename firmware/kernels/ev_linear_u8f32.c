/* Fully connected layer on unsigned 8-bit counts with float weights. */
#include "ev_kernels.h"

void ev_linear_u8f32(const ev_linear_weights_f32 *layer, const uint8_t *input, float *output) {
    for (int32_t o = 0; o < layer->outputs; o++) {
        const float *weight = layer->weight + o * layer->inputs;
        float acc = layer->bias[o];
        for (int32_t i = 0; i < layer->inputs; i++) {
            acc += (float)input[i] * weight[i];
        }
        output[o] = layer->relu && acc < 0.0f ? 0.0f : acc;
    }
}
