/* Body of average pooling under a window of 8-bit activations. The including file defines EV_KERNEL, its name, and
 * EV_INPUT. */
#include "ev_avgpool2d_row.h"

void EV_KERNEL(const ev_avgpool2d *layer, const EV_INPUT *input, uint8_t *output) {
    for (int32_t y = 0; y < layer->window.out_h; y++) {
        average_row(layer, input, y, 0, layer->window.out_w, output);
    }
}
