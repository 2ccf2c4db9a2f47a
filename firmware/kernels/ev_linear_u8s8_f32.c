/* Fully connected layer on unsigned 8-bit activations, to float32 logits. */
#define EV_INPUT uint8_t
#define EV_EVEN ev_even_u8
#define EV_ODD ev_odd_u8
#define EV_EXTEND "uxtb16"
#include "ev_linear_integer.h"

void ev_linear_u8s8_f32(const ev_linear_s8_logits *layer, const uint8_t *input, float *output) {
    int32_t acc[EV_TOGETHER];
    for (int32_t done = 0, o = 0, count; done < layer->outputs; done = o + count) {
        count = next_sums(layer->weight, layer->bias, layer->inputs, layer->outputs, done, input, acc, &o);
        const float *multiplier = layer->multiplier + o;
        if (count == 1) {
            output[o] = (float)acc[0] * multiplier[0];
            continue;
        }
        for (int32_t left = count, k = 0; left > 0; left -= 3) { /* three at a time hide each other's latency */
            const float x = (float)acc[k] * multiplier[k], y = (float)acc[k + 1] * multiplier[k + 1];
            const float z = (float)acc[k + 2] * multiplier[k + 2];
            output[o + k] = x;
            output[o + k + 1] = y;
            output[o + k + 2] = z;
            k = left >= 6 ? k + 3 : count - 3;
        }
    }
    for (int32_t o = 0; o < layer->outputs && layer->relu; o++) {
        output[o] = output[o] < 0.0f ? 0.0f : output[o];
    }
}
