/* Body of the grouped float convolutions. The including file defines EV_KERNEL, its name, and EV_INPUT.
 *
 * Each output adds its bias first and then the taps by row, column and channel, as the dense kernel does. */
#include "ev_kernels.h"
#include "ev_taps.h"

void EV_KERNEL(const ev_conv2d_f32 *layer, int32_t groups, const EV_INPUT *input, float *output) {
    const ev_window *window = &layer->window;
    const int32_t count = window->in_c / groups, made = window->out_c / groups;
    const int32_t tap_row = window->kernel_w * count;
    for (int32_t y = 0; y < window->out_h; y++) {
        ev_taps rows = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
        for (int32_t x = 0; x < window->out_w; x++) {
            ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
            for (int32_t o = 0; o < window->out_c; o++) {
                const float *weight = layer->weight + o * window->kernel_h * tap_row;
                float acc = layer->bias[o];
                for (int32_t ky = rows.first; ky < rows.last; ky++) {
                    for (int32_t kx = columns.first; kx < columns.last; kx++) {
                        const int32_t pixel = (rows.start + ky) * window->in_w + columns.start + kx;
                        const EV_INPUT *from = input + pixel * window->in_c + o / made * count;
                        const float *tap = weight + ky * tap_row + kx * count;
                        for (int32_t c = 0; c < count; c++) {
                            acc += (float)from[c] * tap[c];
                        }
                    }
                }
                *output++ = layer->relu && acc < 0.0f ? 0.0f : acc;
            }
        }
    }
}
