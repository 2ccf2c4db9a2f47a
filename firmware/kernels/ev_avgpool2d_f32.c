/* Average pooling under a window of float activations, added by row and column. */
#include "ev_kernels.h"
#include "ev_taps.h"

void ev_avgpool2d_f32(const ev_window *window, int32_t count_padding, const float *input, float *output) {
    const int32_t channels = window->in_c;
    for (int32_t y = 0; y < window->out_h; y++) {
        ev_taps rows = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
        for (int32_t x = 0; x < window->out_w; x++) {
            ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
            const int32_t inside = (rows.last - rows.first) * (columns.last - columns.first);
            const float count = (float)(count_padding ? window->kernel_h * window->kernel_w : inside);
            for (int32_t c = 0; c < channels; c++) {
                float sum = 0.0f;
                for (int32_t ky = rows.first; ky < rows.last; ky++) {
                    for (int32_t kx = columns.first; kx < columns.last; kx++) {
                        const int32_t pixel = (rows.start + ky) * window->in_w + columns.start + kx;
                        sum += input[pixel * channels + c];
                    }
                }
                *output++ = sum / count;
            }
        }
    }
}
