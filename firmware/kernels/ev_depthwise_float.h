/* Body of the float depthwise convolutions. The including file defines EV_KERNEL, its name, EV_INPUT, and
 * EV_FLOAT_INPUT where that is float.
 *
 * Each output adds its bias first and then the taps by row and column; four channels at a time hide the latency of
 * the adder. */
#include "ev_kernels.h"
#include "ev_taps.h"

static inline float rectify(float value, int32_t relu) {
    return relu && value < 0.0f ? 0.0f : value;
}

/* One channel over `height` x `width` taps; rows of the image and of the weights are so many values apart. */
static inline float one_channel(const EV_INPUT *input, const float *weight, int32_t height, int32_t width,
                                int32_t channels, int32_t image_row, int32_t tap_row, float acc) {
    for (int32_t ky = 0; ky < height; ky++) {
        for (int32_t kx = 0; kx < width; kx++) {
            acc += (float)input[ky * image_row + kx * channels] * weight[ky * tap_row + kx * channels];
        }
    }
    return acc;
}

#if defined(EV_FLOAT_INPUT) && defined(__ARM_FEATURE_DSP) && defined(__ARM_FP)
/* Four channels over `height` x `width` taps, both above zero; `step` values to the next tap, and so many more to
 * the next row of the image and of the weights. VMLA rounds the product and then the sum, as C does. */
static inline void four_channels(const float *pixel, const float *tap, int32_t height, int32_t width, int32_t step,
                                 int32_t more_pixels, int32_t more_taps, const float *bias, float *output) {
    int32_t left;
    step *= (int32_t)sizeof(float);
    more_pixels *= (int32_t)sizeof(float);
    more_taps *= (int32_t)sizeof(float);
    __asm__ volatile("vldmia %[bias], {s0-s3}\n"
                     "1:\n"
                     "mov %[left], %[width]\n"
                     "2:\n"
                     "vldr d2, [%[pixel]]\n"
                     "vldr d4, [%[tap]]\n"
                     "vldr d3, [%[pixel], #8]\n"
                     "vldr d5, [%[tap], #8]\n"
                     "subs %[left], %[left], #1\n"
                     "vmla.f32 s0, s4, s8\n"
                     "add %[pixel], %[pixel], %[step]\n"
                     "vmla.f32 s1, s5, s9\n"
                     "add %[tap], %[tap], %[step]\n"
                     "vmla.f32 s2, s6, s10\n"
                     "vmla.f32 s3, s7, s11\n"
                     "bne 2b\n"
                     "subs %[height], %[height], #1\n"
                     "add %[pixel], %[pixel], %[more_pixels]\n"
                     "add %[tap], %[tap], %[more_taps]\n"
                     "bne 1b\n"
                     "vstmia %[output], {s0-s3}\n"
                     : [pixel] "+r"(pixel), [tap] "+r"(tap), [height] "+r"(height), [left] "=&r"(left)
                     : [width] "r"(width), [step] "r"(step), [more_pixels] "r"(more_pixels),
                       [more_taps] "r"(more_taps), [bias] "r"(bias), [output] "r"(output)
                     : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11");
}
#else
static inline void four_channels(const EV_INPUT *pixel, const float *tap, int32_t height, int32_t width, int32_t step,
                                 int32_t more_pixels, int32_t more_taps, const float *bias, float *output) {
    float a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];
    for (int32_t ky = 0; ky < height; ky++) {
        for (int32_t kx = 0; kx < width; kx++) {
            a0 += (float)pixel[0] * tap[0];
            a1 += (float)pixel[1] * tap[1];
            a2 += (float)pixel[2] * tap[2];
            a3 += (float)pixel[3] * tap[3];
            pixel += step;
            tap += step;
        }
        pixel += more_pixels;
        tap += more_taps;
    }
    output[0] = a0;
    output[1] = a1;
    output[2] = a2;
    output[3] = a3;
}
#endif

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
            const int32_t height = rows.last - rows.first, width = columns.last - columns.first;
            int32_t c = 0;
            for (; c + 4 <= channels && height > 0 && width > 0; c += 4) {
                four_channels(corner + c, weight + c, height, width, channels, image_row - width * channels,
                              tap_row - width * channels, layer->bias + c, output);
                for (int32_t k = 0; k < 4; k++) {
                    output[k] = rectify(output[k], layer->relu);
                }
                output += 4;
            }
            for (; c < channels; c++) {
                const float sum =
                    one_channel(corner + c, weight + c, height, width, channels, image_row, tap_row, layer->bias[c]);
                *output++ = rectify(sum, layer->relu);
            }
        }
    }
}
