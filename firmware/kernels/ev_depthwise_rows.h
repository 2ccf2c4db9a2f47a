/* Rows of integer depthwise convolutions. The including file defines EV_INPUT, and EV_EXTEND, the instruction that
 * widens two bytes of a word.
 *
 * 3x3 kernels on four channels or more take the fast way: four channels at a time, their constants side by side in
 * the scratch, taps outside the image in rows and patches filled with the zero point. */
#ifndef EV_DEPTHWISE_ROWS_H
#define EV_DEPTHWISE_ROWS_H

#include "ev_depthwise_run.h"
#include "ev_pairs.h"
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

/* Adds one row of at least one tap to the sums of four channels. */
static inline void add_taps(const EV_INPUT *pixel, const int8_t *tap, int32_t width, int32_t channels, int32_t *acc) {
#if defined(__ARM_FEATURE_DSP)
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    uint32_t x, w, odd_x, odd_w;
    __asm__("1:\n"
            "ldr %[x], [%[pixel]]\n"
            "ldr %[w], [%[tap]]\n"
            "add %[pixel], %[pixel], %[step]\n"
            "add %[tap], %[tap], %[step]\n" EV_EXTEND " %[odd_x], %[x], ror #8\n"
            "sxtb16 %[odd_w], %[w], ror #8\n" EV_EXTEND " %[x], %[x]\n"
            "smlabb %[a1], %[odd_x], %[odd_w], %[a1]\n"
            "sxtb16 %[w], %[w]\n"
            "smlatt %[a3], %[odd_x], %[odd_w], %[a3]\n"
            "subs %[width], %[width], #1\n"
            "smlabb %[a0], %[x], %[w], %[a0]\n"
            "smlatt %[a2], %[x], %[w], %[a2]\n"
            "bne 1b\n"
            : [pixel] "+r"(pixel), [tap] "+r"(tap), [width] "+r"(width), [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2),
              [a3] "+r"(a3), [x] "=&r"(x), [w] "=&r"(w), [odd_x] "=&r"(odd_x), [odd_w] "=&r"(odd_w)
            : [step] "r"(channels)
            : "cc", "memory");
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
#else
    for (int32_t kx = 0; kx < width; kx++) {
        for (int32_t k = 0; k < 4; k++) {
            acc[k] += pixel[kx * channels + k] * tap[kx * channels + k];
        }
    }
#endif
}

/* Sites [first, last) of row y, any kernel. */
static void any_row(const ev_conv2d_s8 *layer, const EV_INPUT *input, int32_t y, int32_t first, int32_t last,
                    uint8_t *output) {
    const ev_window *window = &layer->window;
    const int32_t channels = window->in_c;
    const int32_t image_row = window->in_w * channels;
    const int32_t tap_row = window->kernel_w * channels;
    const ev_taps rows = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
    output += (y * window->out_w + first) * channels;
    for (int32_t x = first; x < last; x++) {
        ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
        const EV_INPUT *corner =
            input + (rows.start + rows.first) * image_row + (columns.start + columns.first) * channels;
        const int8_t *weight = layer->weight + rows.first * tap_row + columns.first * channels;
        const int32_t height = rows.last - rows.first, width = columns.last - columns.first;
        const int whole = layer->in_zero == 0 || (height == window->kernel_h && width == window->kernel_w);
        int32_t c = 0;
        for (; c + 4 <= channels; c += 4) {
            int32_t acc[4] = {layer->bias[c], layer->bias[c + 1], layer->bias[c + 2], layer->bias[c + 3]};
            for (int32_t ky = 0; ky < height && width > 0; ky++) {
                add_taps(corner + ky * image_row + c, weight + ky * tap_row + c, width, channels, acc);
            }
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

/* Weights of nine taps, each (0, 2) and (1, 3) of four channels, then four biases and four multipliers. */
static void four_constants(const ev_conv2d_s8 *layer, int32_t channel, uint32_t *to) {
    for (int32_t tap = 0; tap < 9; tap++) {
        const uint32_t word = ev_four(layer->weight + tap * layer->window.in_c + channel);
        *to++ = ev_even_s8(word);
        *to++ = ev_odd_s8(word);
    }
    __builtin_memcpy(to, layer->bias + channel, 16);
    __builtin_memcpy(to + 4, layer->out.multiplier + channel, 16);
}

/* A pixel at the left or right edge: its nine taps, those outside the image filled with the zero point. */
static void edge_patch(const ev_conv2d_s8 *layer, const uint8_t *const rows[3], int32_t left, uint8_t *patch) {
    const ev_window *window = &layer->window;
    for (int32_t ky = 0; ky < 3; ky++) {
        for (int32_t x = left; x < left + 3; x++) {
            if (x >= 0 && x < window->in_w) {
                __builtin_memcpy(patch, rows[ky] + x * window->in_c, (uint32_t)window->in_c);
            } else {
                __builtin_memset(patch, layer->in_zero, (uint32_t)window->in_c);
            }
            patch += window->in_c;
        }
    }
}

/* All channels of `run->pixels` neighbouring pixels; what does not make a four is computed with those before it. */
static void all_channels(const ev_depthwise_run *run) {
    const int32_t fours = run->channels / 4, rest = run->channels % 4;
    ev_depthwise_run part = *run;
    part.end = part.constants + fours * EV_FOUR_WORDS;
    part.in_step -= 4 * fours;
    part.out_step -= 4 * fours;
    run_fours(&part);
    if (rest != 0) {
        part = *run;
        for (int32_t ky = 0; ky < 3; ky++) {
            part.rows[ky] += run->channels - 4;
        }
        part.out += run->channels - 4;
        part.constants += fours * EV_FOUR_WORDS;
        part.end = part.constants + EV_FOUR_WORDS;
        part.in_step -= 4;
        part.out_step -= 4;
        run_fours(&part);
    }
}

static int is_fast(const ev_window *window) {
    return window->kernel_h == 3 && window->kernel_w == 3 && window->in_c >= 4;
}

/* What all rows of a 3x3 layer share: constants, a row and a patch of zero points, in the scratch. */
typedef struct {
    ev_depthwise_run run;
    uint8_t *empty_row, *patch;
} ev_depthwise_rows;

static ev_depthwise_rows rows_of(const ev_conv2d_s8 *layer) {
    const ev_window *window = &layer->window;
    const int32_t channels = window->in_c, image_row = window->in_w * channels;
    const int32_t fours = (channels + 3) / 4;
    uint32_t *constants = layer->scratch, *place = constants + fours * EV_FOUR_WORDS;
    ev_depthwise_rows rows = {.empty_row = (uint8_t *)(place + 1)};
    rows.patch = rows.empty_row + image_row;
    for (int32_t i = 0; i < fours; i++) {
        four_constants(layer, i < channels / 4 ? 4 * i : channels - 4, constants + i * EV_FOUR_WORDS);
    }
    __builtin_memset(rows.empty_row, layer->in_zero, (uint32_t)image_row);
    rows.run.channels = channels;
    rows.run.constants = constants;
    rows.run.nowhere = (uint8_t *)place;
    rows.run.out_step = channels;
    rows.run.low = (float)(layer->out.low - layer->out.zero);
    rows.run.high = (float)(layer->out.high - layer->out.zero);
    rows.run.magic = 12582912.0f;
    rows.run.zero = (float)layer->out.zero;
    return rows;
}

/* Sites [first, last) of row y, 3x3 kernel. */
static void row_3x3(const ev_conv2d_s8 *layer, ev_depthwise_rows *shared, const uint8_t *input, int32_t y,
                    int32_t first, int32_t last, uint8_t *output) {
    const ev_window *window = &layer->window;
    const int32_t channels = window->in_c, image_row = window->in_w * channels;
    ev_depthwise_run *run = &shared->run;
    const uint8_t *rows[3];
    for (int32_t ky = 0; ky < 3; ky++) {
        const int32_t row = y * window->stride_h - window->pad_top + ky;
        rows[ky] = row >= 0 && row < window->in_h ? input + row * image_row : shared->empty_row;
    }
    for (int32_t x = first; x < last; x += run->pixels) {
        const int32_t left = x * window->stride_w - window->pad_left;
        const int32_t inside = left < 0 ? 0 : (window->in_w - 3 - left + window->stride_w) / window->stride_w;
        run->pixels = inside < 1 ? 1 : inside < last - x ? inside : last - x;
        run->out = output + (y * window->out_w + x) * channels;
        run->in_step = window->stride_w * channels;
        if (inside < 1) {
            edge_patch(layer, rows, left, shared->patch);
        }
        for (int32_t ky = 0; ky < 3; ky++) {
            run->rows[ky] = inside < 1 ? shared->patch + 3 * ky * channels : rows[ky] + left * channels;
        }
        all_channels(run);
    }
}

static inline void all_rows(const ev_conv2d_s8 *layer, const EV_INPUT *input, uint8_t *output) {
    const ev_window *window = &layer->window;
    if (is_fast(window)) {
        ev_depthwise_rows shared = rows_of(layer);
        for (int32_t y = 0; y < window->out_h; y++) {
            row_3x3(layer, &shared, (const uint8_t *)input, y, 0, window->out_w, output);
        }
    } else {
        for (int32_t y = 0; y < window->out_h; y++) {
            any_row(layer, input, y, 0, window->out_w, output);
        }
    }
}

#endif
