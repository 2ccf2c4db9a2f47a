/* Body of the integer depthwise convolutions. The including file defines EV_KERNEL, its name, and what
 * ev_depthwise_rows.h asks for. */
#include "ev_depthwise_rows.h"

void EV_KERNEL(const ev_conv2d_s8 *layer, const EV_INPUT *input, uint8_t *output) {
    const ev_window *window = &layer->window;
    if (is_fast(window)) {
        ev_depthwise_rows shared = rows_of(layer);
        for (int32_t y = 0; y < window->out_h; y++) {
            row_3x3(layer, &shared, (const uint8_t *)input, y, 0, window->out_w, output);
        }
    } else {
        for (int32_t y = 0; y < window->out_h; y++) {
            any_row(layer, input, y, 0, window->out_w, output);
        }
    }
}
