/* Global average pooling of unsigned 8-bit activations: an exact sum, then one rounding. */
#include "ev_requantise.h"

void ev_avgpool_u8(const ev_avgpool *layer, const uint8_t *input, uint8_t *output) {
    for (int32_t c = 0; c < layer->channels; c++) {
        int32_t sum = -layer->positions * layer->in_zero;
        for (int32_t p = 0; p < layer->positions; p++) {
            sum += input[p * layer->channels + c];
        }
        output[c] = ev_requantise(&layer->out, 0, sum);
    }
}
