/* Fully connected layer on signed 8-bit activations, requantised to 8 bit. */
#include "ev_requantise.h"

void ev_linear_s8s8(const ev_linear_s8 *layer, const int8_t *input, uint8_t *output) {
    for (int32_t o = 0; o < layer->outputs; o++) {
        const int8_t *weight = layer->weight + o * layer->inputs;
        int32_t acc = layer->bias[o];
        for (int32_t i = 0; i < layer->inputs; i++) {
            acc += input[i] * weight[i];
        }
        output[o] = ev_requantise(&layer->out, o, acc);
    }
}
