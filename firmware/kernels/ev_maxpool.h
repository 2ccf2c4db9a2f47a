/* Body of max pooling. The including file defines EV_KERNEL, its name, and EV_INPUT, the type of input and output. */
#include "ev_maxpool_row.h"

void EV_KERNEL(const ev_window *window, const EV_INPUT *input, EV_INPUT *output) {
    for (int32_t y = 0; y < window->out_h; y++) {
        pool_row(window, input, y, 0, window->out_w, output);
    }
}
