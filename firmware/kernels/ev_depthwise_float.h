/* Body of the float depthwise convolutions. The including file defines EV_KERNEL, its name, and EV_INPUT. */
#include "ev_kernels.h"
#include "ev_taps.h"

void EV_KERNEL(const ev_conv2d_f32 *layer, const EV_INPUT *input, float *output) {
    const ev_window *window = &layer->window;
    const int32_t channels = window->in_c;
    const int32_t image_row = window->in_w * channels;
    const int32_t tap_row = window->kernel_w * channels;
    for (int32_t y = 0; y < window->out_h; y++) {
        ev_taps rows = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
        for (int32_t x = 0; x < window->out_w; x++) {
            ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
            const EV_INPUT *corner =
                input + (rows.start + rows.first) * image_row + (columns.start + columns.first) * channels;
            const float *weight = layer->weight + rows.first * tap_row + columns.first * channels;
            for (int32_t c = 0; c < channels; c++) {
                float acc = layer->bias[c];
                for (int32_t ky = 0; ky < rows.last - rows.first; ky++) {
                    const EV_INPUT *pixel = corner + ky * image_row + c;
                    const float *tap = weight + ky * tap_row + c;
                    for (int32_t kx = 0; kx < columns.last - columns.first; kx++) {
                        acc += (float)*pixel * *tap;
                        pixel += channels;
                        tap += channels;
                    }
                }
                *output++ = layer->relu && acc < 0.0f ? 0.0f : acc;
            }
        }
    }
}
