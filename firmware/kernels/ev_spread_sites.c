/* Activity of a layer's output from that of its input: every output that sees an active input is active. */
#include "ev_sites.h"

static inline int32_t largest(int32_t a, int32_t b) {
    return a > b ? a : b;
}

static inline int32_t smallest(int32_t a, int32_t b) {
    return a < b ? a : b;
}

/* Marks in `row` the outputs that see column `x`; returns the first column that shows another set of outputs. */
static inline int32_t mark_outputs(const ev_window *window, int32_t x, uint32_t *row) {
    const int32_t place = x + window->pad_left, stride = window->stride_w, beyond = place - window->kernel_w;
    const int32_t first = beyond < 0 ? 0 : beyond / stride + 1, last = place / stride;
    for (int32_t out = first; out <= smallest(last, window->out_w - 1); out++) {
        row[out / 32] |= 1u << (uint32_t)out % 32u;
    }
    return window->kernel_w <= stride ? (last + 1) * stride - window->pad_left : x + 1;
}

static void copy(const uint32_t *from, uint32_t *to, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
}

void ev_spread_sites(const ev_window *window, const ev_sites *in, const ev_sites *out) {
    if (window->kernel_h == 1 && window->kernel_w == 1 && window->stride_h == 1 && window->stride_w == 1 &&
        in->height == out->height && in->width == out->width && window->pad_top == 0 && window->pad_left == 0) {
        copy(in->bits, out->bits, in->height * in->words);
        return;
    }
    for (int32_t y = 0; y < out->height; y++) {
        uint32_t *row = out->bits + y * out->words;
        const int32_t top = y * window->stride_h - window->pad_top;
        const int32_t first = largest(top, 0), last = smallest(top + window->kernel_h, in->height);
        for (int32_t i = 0; i < out->words; i++) {
            row[i] = 0;
        }
        for (int32_t i = 0; i < in->words; i++) {
            uint32_t seen = 0;
            for (int32_t k = first; k < last; k++) {
                seen |= in->bits[k * in->words + i];
            }
            while (seen != 0) {
                const int32_t shown = mark_outputs(window, 32 * i + __builtin_ctz(seen), row) - 32 * i;
                seen &= shown < 32 ? ~0u << shown : 0;
            }
        }
    }
}
