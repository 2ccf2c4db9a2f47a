/* Body of the integer convolutions. The including file defines EV_KERNEL, its name, and EV_INPUT, the input's type.
 *
 * Four outputs share every load of an input value. For one row of taps the channels of neighbouring pixels lie side by
 * side both in the image and in the weights, so a row is a single dot product. */
#include "ev_requantise.h"
#include "ev_taps.h"

static inline void dot4(const EV_INPUT *input, const int8_t *weight, int32_t step, int32_t count, int32_t *acc) {
    const int8_t *w0 = weight, *w1 = weight + step, *w2 = w1 + step, *w3 = w2 + step;
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (int32_t i = 0; i < count; i++) {
        int32_t x = input[i];
        a0 += x * w0[i];
        a1 += x * w1[i];
        a2 += x * w2[i];
        a3 += x * w3[i];
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

static inline int32_t dot1(const EV_INPUT *input, const int8_t *weight, int32_t count, int32_t acc) {
    for (int32_t i = 0; i < count; i++) {
        acc += input[i] * weight[i];
    }
    return acc;
}

/* Sum of one output's weights over the taps outside the image: the bias holds -in_zero times the sum over all taps. */
static inline int32_t outside(const ev_window *window, const int8_t *weight, ev_taps rows, ev_taps columns) {
    int32_t sum = 0;
    for (int32_t ky = 0; ky < window->kernel_h; ky++) {
        for (int32_t kx = 0; kx < window->kernel_w; kx++) {
            int inside = ky >= rows.first && ky < rows.last && kx >= columns.first && kx < columns.last;
            for (int32_t c = 0; c < window->in_c; c++) {
                sum += inside ? 0 : *weight;
                weight++;
            }
        }
    }
    return sum;
}

static inline int covers(const ev_window *window, ev_taps rows, ev_taps columns) {
    return rows.last - rows.first == window->kernel_h && columns.last - columns.first == window->kernel_w;
}

void EV_KERNEL(const ev_conv2d_s8 *layer, const EV_INPUT *input, uint8_t *output) {
    const ev_window *window = &layer->window;
    const int32_t tap_row = window->kernel_w * window->in_c;
    const int32_t tap_all = window->kernel_h * tap_row;
    const int32_t image_row = window->in_w * window->in_c;
    for (int32_t y = 0; y < window->out_h; y++) {
        ev_taps rows = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
        for (int32_t x = 0; x < window->out_w; x++) {
            ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
            const EV_INPUT *corner =
                input + (rows.start + rows.first) * image_row + (columns.start + columns.first) * window->in_c;
            const int32_t skipped = rows.first * tap_row + columns.first * window->in_c;
            const int32_t count = (columns.last - columns.first) * window->in_c;
            const int whole = layer->in_zero == 0 || covers(window, rows, columns);
            int32_t o = 0;
            for (; o + 4 <= window->out_c; o += 4) {
                int32_t acc[4] = {layer->bias[o], layer->bias[o + 1], layer->bias[o + 2], layer->bias[o + 3]};
                const EV_INPUT *pixels = corner;
                const int8_t *weight = layer->weight + o * tap_all + skipped;
                for (int32_t ky = rows.first; ky < rows.last; ky++) {
                    dot4(pixels, weight, tap_all, count, acc);
                    pixels += image_row;
                    weight += tap_row;
                }
                for (int32_t k = 0; k < 4; k++) {
                    if (!whole) {
                        acc[k] += layer->in_zero * outside(window, layer->weight + (o + k) * tap_all, rows, columns);
                    }
                    *output++ = ev_requantise(&layer->out, o + k, acc[k]);
                }
            }
            for (; o < window->out_c; o++) {
                int32_t acc = layer->bias[o];
                const EV_INPUT *pixels = corner;
                const int8_t *weight = layer->weight + o * tap_all + skipped;
                for (int32_t ky = rows.first; ky < rows.last; ky++) {
                    acc = dot1(pixels, weight, count, acc);
                    pixels += image_row;
                    weight += tap_row;
                }
                if (!whole) {
                    acc += layer->in_zero * outside(window, layer->weight + o * tap_all, rows, columns);
                }
                *output++ = ev_requantise(&layer->out, o, acc);
            }
        }
    }
}
