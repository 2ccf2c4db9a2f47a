/* Fully connected layer on 16-bit activations, requantised to 16 bit. */
#include "ev_linear_s16.h"
#include "ev_requantise.h"

void ev_linear_s16s8(const ev_linear_s8 *layer, const int16_t *input, int16_t *output) {
    const ev_requant *out = &layer->out;
    const int32_t inputs = layer->inputs, outputs = layer->outputs;
    float sums[3];
    for (int32_t done = 0, o = 0, count; done < outputs; done = o + count) {
        count = next_sums(layer->weight, layer->bias, inputs, outputs, done, layer->wide, input, sums, &o);
        for (int32_t k = 0; k < count; k++) {
            output[o + k] = (int16_t)ev_limit(sums[k] * out->multiplier[o + k], out->zero, out->low, out->high);
        }
    }
}
