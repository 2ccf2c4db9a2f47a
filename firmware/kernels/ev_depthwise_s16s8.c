/* Depthwise convolution of 16-bit activations with signed 8-bit weights, to 16 bit.
 *
 * Weights are widened into the scratch once per layer, four channels side by side: [four][tap][(0, 1), (2, 3)]; the
 * sums of one pixel follow. Zero points of 16-bit activations are 0, so taps outside the image are left out. */
#include "ev_pairs.h"
#include "ev_requantise.h"
#include "ev_taps.h"

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

/* Adds one row of at least one tap to the sums of four channels. */
static inline void add_taps(const int16_t *pixel, const uint32_t *tap, int32_t width, int32_t channels, int32_t *acc) {
#if defined(__ARM_FEATURE_DSP)
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    uint32_t x, w, high_x, high_w;
    __asm__("1:\n"
            "ldr %[x], [%[pixel]]\n"
            "ldr %[w], [%[tap]]\n"
            "ldr %[high_x], [%[pixel], #4]\n"
            "ldr %[high_w], [%[tap], #4]\n"
            "smlabb %[a0], %[x], %[w], %[a0]\n"
            "add %[pixel], %[pixel], %[step]\n"
            "smlatt %[a1], %[x], %[w], %[a1]\n"
            "subs %[width], %[width], #1\n"
            "smlabb %[a2], %[high_x], %[high_w], %[a2]\n"
            "add %[tap], %[tap], #8\n"
            "smlatt %[a3], %[high_x], %[high_w], %[a3]\n"
            "bne 1b\n"
            : [pixel] "+r"(pixel), [tap] "+r"(tap), [width] "+r"(width), [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2),
              [a3] "+r"(a3), [x] "=&r"(x), [w] "=&r"(w), [high_x] "=&r"(high_x), [high_w] "=&r"(high_w)
            : [step] "r"(2 * channels)
            : "cc", "memory");
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
#else
    for (int32_t kx = 0; kx < width; kx++) {
        const int16_t *x = pixel + kx * channels;
        acc[0] += x[0] * (int16_t)(tap[2 * kx] & 0xFFFFu);
        acc[1] += x[1] * (int16_t)(tap[2 * kx] >> 16);
        acc[2] += x[2] * (int16_t)(tap[2 * kx + 1] & 0xFFFFu);
        acc[3] += x[3] * (int16_t)(tap[2 * kx + 1] >> 16);
    }
#endif
}

static inline int16_t limited(const ev_requant *out, int32_t channel, int32_t acc) {
    const float low = (float)(out->low - out->zero), high = (float)(out->high - out->zero);
    const float value = (float)acc * out->multiplier[channel];
    return (int16_t)(ev_round(ev_smaller(ev_larger(value, low), high)) + out->zero);
}

/* A row of three taps, without a branch. */
static inline void add_three_taps(const int16_t *pixel, const uint32_t *tap, int32_t channels, int32_t *acc) {
#if defined(__ARM_FEATURE_DSP)
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    uint32_t x, w, high_x, high_w;
    __asm__("ldr %[x], [%[pixel]]\n"
            "ldr %[w], [%[tap]]\n"
            "ldr %[high_x], [%[pixel], #4]\n"
            "ldr %[high_w], [%[tap], #4]\n"
            "smlabb %[a0], %[x], %[w], %[a0]\n"
            "add %[pixel], %[pixel], %[step]\n"
            "smlatt %[a1], %[x], %[w], %[a1]\n"
            "ldr %[x], [%[pixel]]\n"
            "ldr %[w], [%[tap], #8]\n"
            "smlabb %[a2], %[high_x], %[high_w], %[a2]\n"
            "smlatt %[a3], %[high_x], %[high_w], %[a3]\n"
            "ldr %[high_x], [%[pixel], #4]\n"
            "ldr %[high_w], [%[tap], #12]\n"
            "smlabb %[a0], %[x], %[w], %[a0]\n"
            "add %[pixel], %[pixel], %[step]\n"
            "smlatt %[a1], %[x], %[w], %[a1]\n"
            "ldr %[x], [%[pixel]]\n"
            "ldr %[w], [%[tap], #16]\n"
            "smlabb %[a2], %[high_x], %[high_w], %[a2]\n"
            "smlatt %[a3], %[high_x], %[high_w], %[a3]\n"
            "ldr %[high_x], [%[pixel], #4]\n"
            "ldr %[high_w], [%[tap], #20]\n"
            "smlabb %[a0], %[x], %[w], %[a0]\n"
            "smlatt %[a1], %[x], %[w], %[a1]\n"
            "smlabb %[a2], %[high_x], %[high_w], %[a2]\n"
            "smlatt %[a3], %[high_x], %[high_w], %[a3]\n"
            : [pixel] "+r"(pixel), [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [x] "=&r"(x),
              [w] "=&r"(w), [high_x] "=&r"(high_x), [high_w] "=&r"(high_w)
            : [tap] "r"(tap), [step] "r"(2 * channels)
            : "memory");
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
#else
    add_taps(pixel, tap, 3, channels, acc);
#endif
}

/* Sums of all fours of channels of one pixel: tap (0, 0) of the image and of the weights, `height` x `width` taps. */
static void sum_fours(const ev_conv2d_s8 *layer, const int16_t *corner, const uint32_t *four, int32_t height,
                      int32_t width, int32_t *sums) {
    const int32_t channels = layer->window.in_c, image_row = layer->window.in_w * channels;
    const int32_t tap_row = 2 * layer->window.kernel_w, taps = tap_row * layer->window.kernel_h;
    const int32_t *bias = layer->bias;
    for (int32_t c = 0; c + 4 <= channels; c += 4) {
        int32_t acc[4] = {bias[c], bias[c + 1], bias[c + 2], bias[c + 3]};
        const int16_t *pixel = corner + c;
        const uint32_t *tap = four;
        if (width == 3 && height == 3) {
            add_three_taps(pixel, tap, channels, acc);
            add_three_taps(pixel + image_row, tap + tap_row, channels, acc);
            add_three_taps(pixel + 2 * image_row, tap + 2 * tap_row, channels, acc);
        } else {
            for (int32_t ky = 0; ky < height; ky++) {
                add_taps(pixel + ky * image_row, tap + ky * tap_row, width, channels, acc);
            }
        }
        for (int32_t k = 0; k < 4; k++) {
            sums[c + k] = acc[k];
        }
        four += taps;
    }
}

void ev_depthwise_s16s8(const ev_conv2d_s8 *layer, const int16_t *input, int16_t *output) {
    const ev_window *window = &layer->window;
    const int32_t channels = window->in_c, image_row = window->in_w * channels;
    const int32_t taps = window->kernel_h * window->kernel_w, tap_row = window->kernel_w * channels;
    const ev_requant out = layer->out;
    int32_t *sums = (int32_t *)layer->scratch + channels / 4 * 2 * taps;
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
            if (height > 0 && width > 0) {
                sum_fours(layer, corner, four, height, width, sums);
                for (; c + 4 <= channels; c += 4) {
                    for (int32_t k = 0; k < 4; k++) {
                        output[k] = limited(&out, c + k, sums[c + k]);
                    }
                    output += 4;
                }
            }
            for (; c < channels; c++) {
                const int8_t *weight = layer->weight + rows.first * tap_row + columns.first * channels + c;
                int32_t acc = layer->bias[c];
                for (int32_t ky = 0; ky < height; ky++) {
                    for (int32_t kx = 0; kx < width; kx++) {
                        acc += corner[ky * image_row + kx * channels + c] * weight[ky * tap_row + kx * channels];
                    }
                }
                *output++ = limited(&out, c, acc);
            }
        }
    }
}
