/* Depthwise convolution of 16-bit activations with signed 8-bit weights, to 16 bit.
 *
 * Weights are widened into the scratch once per layer, four channels side by side: [four][tap][(0, 1), (2, 3)]. Zero
 * points of 16-bit activations are 0, so taps outside the image are left out. */
#include "ev_pairs.h"
#include "ev_requantise.h"
#include "ev_taps.h"

#if defined(__ARM_FEATURE_DSP)
static inline int32_t multiply_low(uint32_t a, uint32_t b, int32_t acc) {
    __asm__("smlabb %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}

static inline int32_t multiply_high(uint32_t a, uint32_t b, int32_t acc) {
    __asm__("smlatt %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}
#else
static inline int32_t multiply_low(uint32_t a, uint32_t b, int32_t acc) {
    return acc + (int16_t)(a & 0xFFFFu) * (int16_t)(b & 0xFFFFu);
}

static inline int32_t multiply_high(uint32_t a, uint32_t b, int32_t acc) {
    return acc + (int16_t)(a >> 16) * (int16_t)(b >> 16);
}
#endif

static inline uint32_t pair_of(int32_t low, int32_t high) {
    return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
}

static void widen(const ev_conv2d_s8 *layer, uint32_t *to) {
    const ev_window *window = &layer->window;
    const int32_t channels = window->in_c, taps = window->kernel_h * window->kernel_w;
    for (int32_t c = 0; c + 4 <= channels; c += 4) {
        for (int32_t tap = 0; tap < taps; tap++) {
            const int8_t *weight = layer->weight + tap * channels + c;
            *to++ = pair_of(weight[0], weight[1]);
            *to++ = pair_of(weight[2], weight[3]);
        }
    }
}

static inline int16_t limited(const ev_requant *out, int32_t channel, int32_t acc) {
    return (int16_t)ev_limit((float)acc * out->multiplier[channel], out->zero, out->low, out->high);
}

void ev_depthwise_s16s8(const ev_conv2d_s8 *layer, const int16_t *input, int16_t *output) {
    const ev_window *window = &layer->window;
    const int32_t channels = window->in_c, image_row = window->in_w * channels;
    const int32_t taps = window->kernel_h * window->kernel_w, tap_row = window->kernel_w * channels;
    widen(layer, layer->scratch);
    for (int32_t y = 0; y < window->out_h; y++) {
        ev_taps rows = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
        for (int32_t x = 0; x < window->out_w; x++) {
            ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
            const int16_t *corner =
                input + (rows.start + rows.first) * image_row + (columns.start + columns.first) * channels;
            const int32_t height = rows.last - rows.first, width = columns.last - columns.first;
            const uint32_t *four = layer->scratch + 2 * (rows.first * window->kernel_w + columns.first);
            int32_t c = 0;
            for (; c + 4 <= channels; c += 4) {
                int32_t a0 = layer->bias[c], a1 = layer->bias[c + 1], a2 = layer->bias[c + 2], a3 = layer->bias[c + 3];
                const int16_t *pixel = corner + c;
                const uint32_t *tap = four;
                for (int32_t ky = 0; ky < height; ky++) {
                    for (int32_t kx = 0; kx < width; kx++) {
                        const uint32_t low = ev_four(pixel), high = ev_four(pixel + 2);
                        a0 = multiply_low(low, tap[0], a0);
                        a1 = multiply_high(low, tap[0], a1);
                        a2 = multiply_low(high, tap[1], a2);
                        a3 = multiply_high(high, tap[1], a3);
                        pixel += channels;
                        tap += 2;
                    }
                    pixel += image_row - width * channels;
                    tap += 2 * (window->kernel_w - width);
                }
                output[0] = limited(&layer->out, c, a0);
                output[1] = limited(&layer->out, c + 1, a1);
                output[2] = limited(&layer->out, c + 2, a2);
                output[3] = limited(&layer->out, c + 3, a3);
                output += 4;
                four += 2 * taps;
            }
            for (; c < channels; c++) {
                const int8_t *weight = layer->weight + rows.first * tap_row + columns.first * channels + c;
                int32_t acc = layer->bias[c];
                for (int32_t ky = 0; ky < height; ky++) {
                    for (int32_t kx = 0; kx < width; kx++) {
                        acc += corner[ky * image_row + kx * channels + c] * weight[ky * tap_row + kx * channels];
                    }
                }
                *output++ = limited(&layer->out, c, acc);
            }
        }
    }
}
