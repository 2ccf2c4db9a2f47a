/* Fully connected layer on signed 8-bit activations, requantised to 8 bit. */
#define EV_INPUT int8_t
#define EV_EVEN ev_even_s8
#define EV_ODD ev_odd_s8
#define EV_EXTEND "sxtb16"
#include "ev_linear_integer.h"
#include "ev_requantise.h"

void ev_linear_s8s8(const ev_linear_s8 *layer, const int8_t *input, uint8_t *output) {
    int32_t acc[EV_TOGETHER];
    for (int32_t done = 0, o = 0, count; done < layer->outputs; done = o + count) {
        count = next_sums(layer->weight, layer->bias, layer->inputs, layer->outputs, done, input, acc, &o);
        for (int32_t k = 0; k < count; k++) {
            output[o + k] = ev_requantise(&layer->out, o + k, acc[k]);
        }
    }
}
