/* Rows of max pooling. The including file defines EV_INPUT, the type of input and output. Every window covers at least
 * one pixel of the image: the generator refuses others. */
#ifndef EV_MAXPOOL_ROW_H
#define EV_MAXPOOL_ROW_H

#include "ev_kernels.h"
#include "ev_taps.h"

/* Pixels [first, last) of row y. */
static inline void pool_row(const ev_window *window, const EV_INPUT *input, int32_t y, int32_t first, int32_t last,
                            EV_INPUT *output) {
    const int32_t channels = window->in_c;
    const int32_t image_row = window->in_w * channels;
    const ev_taps rows = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
    output += (y * window->out_w + first) * channels;
    for (int32_t x = first; x < last; x++) {
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

#endif
