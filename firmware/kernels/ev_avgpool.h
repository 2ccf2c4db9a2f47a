/* Body of integer global average pooling: an exact sum, then one rounding. The including file defines EV_KERNEL, its
 * name, and EV_INPUT and EV_OUTPUT, the types of activations. */
#include "ev_requantise.h"

void EV_KERNEL(const ev_avgpool *layer, const EV_INPUT *input, EV_OUTPUT *output) {
    const ev_requant *out = &layer->out;
    for (int32_t c = 0; c < layer->channels; c++) {
        int32_t sum = -layer->positions * layer->in_zero;
        for (int32_t p = 0; p < layer->positions; p++) {
            sum += input[p * layer->channels + c];
        }
        output[c] = (EV_OUTPUT)ev_limit((float)sum * out->multiplier[0], out->zero, out->low, out->high);
    }
}
