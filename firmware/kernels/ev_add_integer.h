/* Body of the integer additions. The including file defines EV_KERNEL, its name, and EV_A and EV_B, the input types.
 * The division is a real one: ONNX defines the sum as dequantise, add, quantise, and a reciprocal would round twice. */
#include "ev_requantise.h"

void EV_KERNEL(const ev_add *layer, const EV_A *a, const EV_B *b, uint8_t *output) {
    for (int32_t i = 0; i < layer->size; i++) {
        float first = (float)(a[i] - layer->zero_a) * layer->scale_a;
        float second = (float)(b[i] - layer->zero_b) * layer->scale_b;
        output[i] = ev_saturate((first + second) / layer->scale, layer->zero, layer->low, layer->high);
    }
}
