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

static inline int32_t count(uint32_t bits) {
    bits -= bits >> 1 & 0x55555555u;
    bits = (bits & 0x33333333u) + (bits >> 2 & 0x33333333u);
    return (int32_t)(((bits + (bits >> 4)) & 0x0F0F0F0Fu) * 0x01010101u >> 24);
}

static int32_t copy(const uint32_t *from, uint32_t *to, int32_t n) {
    int32_t active = 0;
    for (int32_t i = 0; i < n; i++) {
        to[i] = from[i];
        active += count(from[i]);
    }
    return active;
}

static int is_pointwise(const ev_window *window) {
    return window->kernel_h == 1 && window->kernel_w == 1 && window->stride_h == 1 && window->stride_w == 1 &&
           window->pad_top == 0 && window->pad_left == 0 && window->in_h == window->out_h &&
           window->in_w == window->out_w;
}

/* All outputs of a row of at most 32 sites, of which there are at most 32. */
static inline uint32_t outputs_of_word(const ev_window *window, uint32_t row) {
    const uint64_t bits = (uint64_t)row << window->pad_left;
    const int32_t stride = window->stride_w;
    uint64_t any = bits;
    for (int32_t k = 1; k < window->kernel_w; k++) {
        any |= bits >> k;
    }
    if (stride == 1) {
        return (uint32_t)any;
    }
    if (stride == 2) {
        return thin((uint32_t)any) | thin((uint32_t)(any >> 32)) << 16;
    }
    uint32_t out = 0;
    for (uint32_t bit = 1; any != 0; bit <<= 1, any >>= stride) {
        out |= (any & 1u) != 0 ? bit : 0;
    }
    return out;
}

static int32_t spread_words(const ev_window *window, const ev_sites *in, const ev_sites *out) {
    const uint32_t inside = ~0u >> (32 - out->width);
    int32_t active = 0, top = -window->pad_top;
    for (int32_t y = 0; y < out->height; y++, top += window->stride_h) {
        uint32_t row = 0;
        for (int32_t i = largest(top, 0); i < smallest(top + window->kernel_h, in->height); i++) {
            row |= in->bits[i];
        }
        row = outputs_of_word(window, row) & inside;
        out->bits[y] = row;
        active += count(row);
    }
    return active;
}

int32_t ev_spread_sites(const ev_window *window, const ev_sites *in, const ev_sites *out) {
    if (is_pointwise(window)) {
        return copy(in->bits, out->bits, in->height * in->words);
    }
    if (in->words == 1 && out->words == 1 && window->pad_left <= 32 && largest(window->kernel_w, window->stride_w) <= 32) {
        return spread_words(window, in, out);
    }
    const uint32_t behind = (uint32_t)out->width % 32u;
    int32_t active = 0;
    for (int32_t y = 0; y < out->height; y++) {
        uint32_t row[EV_SITES_WORDS], *to = out->bits + y * out->words;
        const int32_t top = y * window->stride_h - window->pad_top;
        const uint32_t any =
            join_rows(in, largest(top, 0), smallest(top + window->kernel_h, in->height), row);
        for (int32_t i = 0; i < out->words; i++) {
            const uint32_t last = i == out->words - 1 && behind != 0 ? (1u << behind) - 1u : ~0u;
            to[i] = any != 0 ? outputs_of(window, row, in->words, i) & last : 0;
            active += count(to[i]);
        }
    }
    return active;
}
