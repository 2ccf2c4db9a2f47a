/* Activity of a layer's output from that of its input: every output that sees an active input is active.
 *
 * A row is worked on 32 sites at a time: the kernel's rows are joined, shifted over each other once per column of the
 * kernel, and thinned to the outputs' distance. */
#include "ev_sites.h"

static inline int32_t largest(int32_t a, int32_t b) {
    return a > b ? a : b;
}

static inline int32_t smallest(int32_t a, int32_t b) {
    return a < b ? a : b;
}

/* 32 bits of a row from bit `from` on, which may lie outside of it. */
static inline uint32_t bits_from(const uint32_t *row, int32_t words, int32_t from) {
    const int32_t word = from >> 5;
    const uint32_t shift = (uint32_t)from & 31u;
    const uint32_t low = word >= 0 && word < words ? row[word] : 0;
    if (shift == 0) {
        return low;
    }
    const uint32_t high = word >= -1 && word + 1 < words ? row[word + 1] : 0;
    return low >> shift | high << (32u - shift);
}

/* For 32 places from `from` on, whether any of `kernel` bits beginning there is set. */
static inline uint32_t any_from(const uint32_t *row, int32_t words, int32_t from, int32_t kernel) {
    uint32_t any = 0;
    for (int32_t k = 0; k < kernel; k++) {
        any |= bits_from(row, words, from + k);
    }
    return any;
}

/* Every second bit, in the low half. */
static inline uint32_t thin(uint32_t bits) {
    bits &= 0x55555555u;
    bits = (bits | bits >> 1) & 0x33333333u;
    bits = (bits | bits >> 2) & 0x0F0F0F0Fu;
    bits = (bits | bits >> 4) & 0x00FF00FFu;
    return (bits | bits >> 8) & 0x0000FFFFu;
}

/* Outputs 32 * word to 32 * word + 31 of a row. */
static uint32_t outputs_of(const ev_window *window, const uint32_t *row, int32_t words, int32_t word) {
    const int32_t stride = window->stride_w, kernel = window->kernel_w;
    const int32_t from = 32 * word * stride - window->pad_left;
    uint32_t out = 0;
    if (stride == 1) {
        return any_from(row, words, from, kernel);
    }
    if (stride == 2 || stride == 4) {
        for (int32_t part = stride - 1; part >= 0; part--) {
            const uint32_t bits = thin(any_from(row, words, from + 32 * part, kernel));
            out = stride == 2 ? out << 16 | bits : out << 8 | thin(bits);
        }
        return out;
    }
    for (int32_t x = 31; x >= 0; x--) {
        out = out << 1 | (any_from(row, words, from + x * stride, kernel) & 1u);
    }
    return out;
}

/* Joins the input's rows [first, last); 0 when nothing is active in them. */
static uint32_t join_rows(const ev_sites *in, int32_t first, int32_t last, uint32_t *row) {
    uint32_t any = 0;
    for (int32_t i = 0; i < in->words; i++) {
        const uint32_t *bits = in->bits + i;
        uint32_t joined = 0;
        for (int32_t y = first; y < last; y++) {
            joined |= bits[y * in->words];
        }
        row[i] = joined;
        any |= joined;
    }
    return any;
}

static void copy(const uint32_t *from, uint32_t *to, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
}

static int is_pointwise(const ev_window *window) {
    return window->kernel_h == 1 && window->kernel_w == 1 && window->stride_h == 1 && window->stride_w == 1 &&
           window->pad_top == 0 && window->pad_left == 0 && window->in_h == window->out_h &&
           window->in_w == window->out_w;
}

void ev_spread_sites(const ev_window *window, const ev_sites *in, const ev_sites *out) {
    if (is_pointwise(window)) {
        copy(in->bits, out->bits, in->height * in->words);
        return;
    }
    const uint32_t behind = (uint32_t)out->width % 32u;
    for (int32_t y = 0; y < out->height; y++) {
        uint32_t row[EV_SITES_WORDS], *to = out->bits + y * out->words;
        const int32_t top = y * window->stride_h - window->pad_top;
        const uint32_t any =
            join_rows(in, largest(top, 0), smallest(top + window->kernel_h, in->height), row);
        for (int32_t i = 0; i < out->words; i++) {
            to[i] = any != 0 ? outputs_of(window, row, in->words, i) : 0;
        }
        if (behind != 0) {
            to[out->words - 1] &= (1u << behind) - 1u;
        }
    }
}
