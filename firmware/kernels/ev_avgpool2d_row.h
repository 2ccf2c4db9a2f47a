/* Rows of average pooling under a window of 8-bit activations. The including file defines EV_INPUT. Every window covers
 * at least one pixel of the image: the generator refuses others. */
#ifndef EV_AVGPOOL2D_ROW_H
#define EV_AVGPOOL2D_ROW_H

#include "ev_requantise.h"
#include "ev_taps.h"

/* Pixels [first, last) of row y. */
static inline void average_row(const ev_avgpool2d *layer, const EV_INPUT *input, int32_t y, int32_t first,
                               int32_t last, uint8_t *output) {
    const ev_window *window = &layer->window;
    const int32_t channels = window->in_c;
    const int32_t image_row = window->in_w * channels;
    const ev_taps rows = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
    output += (y * window->out_w + first) * channels;
    for (int32_t x = first; x < last; x++) {
        ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
        const EV_INPUT *corner =
            input + (rows.start + rows.first) * image_row + (columns.start + columns.first) * channels;
        const int32_t height = rows.last - rows.first, width = columns.last - columns.first;
        const int32_t inside = height * width;
        const float count = (float)(layer->count_padding ? window->kernel_h * window->kernel_w : inside);
        for (int32_t c = 0; c < channels; c++) {
            int32_t sum = -inside * layer->in_zero;
            for (int32_t ky = 0; ky < height; ky++) {
                for (int32_t kx = 0; kx < width; kx++) {
                    sum += corner[ky * image_row + kx * channels + c];
                }
            }
            *output++ = ev_saturate((float)sum / count / layer->ratio, layer->zero, layer->low, layer->high);
        }
    }
}

#endif
