/* Body of the integer depthwise convolutions. The including file defines EV_KERNEL, its name, and EV_INPUT. */
#include "ev_requantise.h"
#include "ev_taps.h"

/* Sum of one channel's weights over the taps outside the image: the bias holds -in_zero times the sum over all taps. */
static inline int32_t outside(const ev_conv2d_s8 *layer, int32_t channel, ev_taps rows, ev_taps columns) {
    const ev_window *window = &layer->window;
    const int8_t *weight = layer->weight + channel;
    int32_t sum = 0;
    for (int32_t ky = 0; ky < window->kernel_h; ky++) {
        for (int32_t kx = 0; kx < window->kernel_w; kx++) {
            int inside = ky >= rows.first && ky < rows.last && kx >= columns.first && kx < columns.last;
            sum += inside ? 0 : *weight;
            weight += window->in_c;
        }
    }
    return sum;
}

void EV_KERNEL(const ev_conv2d_s8 *layer, const EV_INPUT *input, uint8_t *output) {
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
            const int8_t *weight = layer->weight + rows.first * tap_row + columns.first * channels;
            const int32_t height = rows.last - rows.first, width = columns.last - columns.first;
            const int whole = layer->in_zero == 0 || (height == window->kernel_h && width == window->kernel_w);
            int32_t c = 0;
            for (; c + 4 <= channels; c += 4) {
                int32_t a0 = layer->bias[c], a1 = layer->bias[c + 1], a2 = layer->bias[c + 2], a3 = layer->bias[c + 3];
                for (int32_t ky = 0; ky < height; ky++) {
                    const EV_INPUT *pixel = corner + ky * image_row + c;
                    const int8_t *tap = weight + ky * tap_row + c;
                    for (int32_t kx = 0; kx < width; kx++) {
                        a0 += pixel[0] * tap[0];
                        a1 += pixel[1] * tap[1];
                        a2 += pixel[2] * tap[2];
                        a3 += pixel[3] * tap[3];
                        pixel += channels;
                        tap += channels;
                    }
                }
                const int32_t acc[4] = {a0, a1, a2, a3};
                for (int32_t k = 0; k < 4; k++) {
                    int32_t correction = whole ? 0 : layer->in_zero * outside(layer, c + k, rows, columns);
                    *output++ = ev_requantise(&layer->out, c + k, acc[k] + correction);
                }
            }
            for (; c < channels; c++) {
                int32_t acc = layer->bias[c];
                for (int32_t ky = 0; ky < height; ky++) {
                    for (int32_t kx = 0; kx < width; kx++) {
                        acc += corner[ky * image_row + kx * channels + c] * weight[ky * tap_row + kx * channels + c];
                    }
                }
                acc += whole ? 0 : layer->in_zero * outside(layer, c, rows, columns);
                *output++ = ev_requantise(&layer->out, c, acc);
            }
        }
    }
}
