/* Body of the float fully connected layers. The including file defines EV_KERNEL, its name, and EV_INPUT, the input's
 * type; four outputs at a time hide the adder's latency. */
#include "ev_kernels.h"

void EV_KERNEL(const ev_linear_weights_f32 *layer, const EV_INPUT *input, float *output) {
    const int32_t inputs = layer->inputs;
    int32_t o = 0;
    for (; o + 4 <= layer->outputs; o += 4) {
        const float *w0 = layer->weight + o * inputs, *w1 = w0 + inputs, *w2 = w1 + inputs, *w3 = w2 + inputs;
        float a0 = layer->bias[o], a1 = layer->bias[o + 1], a2 = layer->bias[o + 2], a3 = layer->bias[o + 3];
        for (int32_t i = 0; i < inputs; i++) {
            const float x = (float)input[i];
            a0 += x * w0[i];
            a1 += x * w1[i];
            a2 += x * w2[i];
            a3 += x * w3[i];
        }
        output[o] = a0;
        output[o + 1] = a1;
        output[o + 2] = a2;
        output[o + 3] = a3;
    }
    for (; o < layer->outputs; o++) {
        const float *weight = layer->weight + o * inputs;
        float acc = layer->bias[o];
        for (int32_t i = 0; i < inputs; i++) {
            acc += (float)input[i] * weight[i];
        }
        output[o] = acc;
    }
    for (o = 0; o < layer->outputs && layer->relu; o++) {
        output[o] = output[o] < 0.0f ? 0.0f : output[o];
    }
}
