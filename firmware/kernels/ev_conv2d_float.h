/* Body of the float convolutions. The including file defines EV_KERNEL, its name, and EV_INPUT, the input's type.
 *
 * Each output adds its bias first and then the taps by row, column and channel; four outputs at a time hide the
 * latency of the adder without changing any output's order. One kernel row of four filters at a time fits the data
 * cache, so weights in slow external flash are read once per layer instead of once per pixel. */
#include "ev_kernels.h"
#include "ev_taps.h"

static inline float rectify(float value, int32_t relu) {
    return relu && value < 0.0f ? 0.0f : value;
}

static inline void dot4(const EV_INPUT *input, const float *weight, int32_t step, int32_t count, float *acc) {
    const float *w0 = weight, *w1 = weight + step, *w2 = w1 + step, *w3 = w2 + step;
    float a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (int32_t i = 0; i < count; i++) {
        float x = (float)input[i];
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

static inline float dot1(const EV_INPUT *input, const float *weight, int32_t count, float acc) {
    for (int32_t i = 0; i < count; i++) {
        acc += (float)input[i] * weight[i];
    }
    return acc;
}

/* Adds the taps of kernel row `ky` to `outputs` (4 or 1) channels of the whole image, from channel `first` on; the
 * first row begins with the bias, the last one rectifies. */
static inline void add_row(const ev_conv2d_f32 *layer, const EV_INPUT *input, int32_t first, int32_t outputs,
                           int32_t ky, float *output) {
    const ev_window *window = &layer->window;
    const int32_t tap_row = window->kernel_w * window->in_c;
    const int32_t tap_all = window->kernel_h * tap_row;
    const float *row_weight = layer->weight + first * tap_all + ky * tap_row;
    for (int32_t y = 0; y < window->out_h; y++) {
        const int32_t image_y = y * window->stride_h - window->pad_top + ky;
        const int inside = image_y >= 0 && image_y < window->in_h;
        for (int32_t x = 0; x < window->out_w; x++) {
            float *place = output + (y * window->out_w + x) * window->out_c + first;
            const float *begin = ky == 0 ? layer->bias + first : place;
            float acc[4];
            for (int32_t k = 0; k < outputs; k++) {
                acc[k] = begin[k];
            }
            if (inside) {
                ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
                const EV_INPUT *pixels =
                    input + (image_y * window->in_w + columns.start + columns.first) * window->in_c;
                const float *weight = row_weight + columns.first * window->in_c;
                const int32_t count = (columns.last - columns.first) * window->in_c;
                if (outputs == 4) {
                    dot4(pixels, weight, tap_all, count, acc);
                } else {
                    acc[0] = dot1(pixels, weight, count, acc[0]);
                }
            }
            for (int32_t k = 0; k < outputs; k++) {
                place[k] = ky + 1 == window->kernel_h ? rectify(acc[k], layer->relu) : acc[k];
            }
        }
    }
}

void EV_KERNEL(const ev_conv2d_f32 *layer, const EV_INPUT *input, float *output) {
    for (int32_t first = 0; first < layer->window.out_c;) {
        const int32_t outputs = layer->window.out_c - first >= 4 ? 4 : 1;
        for (int32_t ky = 0; ky < layer->window.kernel_h; ky++) {
            if (outputs == 4) {
                add_row(layer, input, first, 4, ky, output);
            } else {
                add_row(layer, input, first, 1, ky, output);
            }
        }
        first += outputs;
    }
}
