/* Body of max pooling. The including file defines EV_KERNEL, its name, and EV_INPUT, the type of input and output.
 * Every window covers at least one pixel of the image: the generator refuses others. */
#include "ev_kernels.h"
#include "ev_taps.h"

void EV_KERNEL(const ev_window *window, const EV_INPUT *input, EV_INPUT *output) {
    const int32_t channels = window->in_c;
    const int32_t image_row = window->in_w * channels;
    for (int32_t y = 0; y < window->out_h; y++) {
        ev_taps rows = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
        for (int32_t x = 0; x < window->out_w; x++) {
            ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
            const EV_INPUT *corner =
                input + (rows.start + rows.first) * image_row + (columns.start + columns.first) * channels;
            for (int32_t c = 0; c < channels; c++) {
                EV_INPUT largest = corner[c];
                for (int32_t ky = 0; ky < rows.last - rows.first; ky++) {
                    for (int32_t kx = 0; kx < columns.last - columns.first; kx++) {
                        EV_INPUT value = corner[ky * image_row + kx * channels + c];
                        largest = value > largest ? value : largest;
                    }
                }
                *output++ = largest;
            }
        }
    }
}
