/* 2-D convolution of unsigned 8-bit activations with signed 8-bit weights: of the active sites the taps that are not zero.
 *
 * A tap that is not zero costs a little more than in a dense kernel, so sites full of them are computed as
 * ev_sparse_conv2d_u8s8 does it. Which way is taken follows the sites seen so far: the cost is never much above that of the
 * dense way, whatever comes. */
#define EV_INPUT uint8_t
#define EV_WIDEN_INPUT ev_widen_pixel_u8
#include "ev_nonzero.h"
#include "ev_sparse_pairs.h"

enum {
    WORTH_PERCENT = 60, /* of the taps may be non-zero for this way to be the cheaper one */
    SLACK_SITES = 1     /* how many full sites are put up with */
};

#if defined(__ARM_FEATURE_DSP)
static inline uint32_t add_bytes(uint32_t word, uint32_t total) {
    __asm__("usada8 %0, %1, %2, %0" : "+r"(total) : "r"(word), "r"(0));
    return total;
}
#else
static inline uint32_t add_bytes(uint32_t word, uint32_t total) {
    return total + (word & 255u) + (word >> 8 & 255u) + (word >> 16 & 255u) + (word >> 24);
}
#endif

/* The taps of one site. */
typedef struct {
    uint32_t *next; /* where the next one goes */
    uint32_t total; /* of their values */
} tap_list;

/* Adds those of four values that are not zero, without a branch on each. */
static inline uint32_t *add_word(uint32_t word, uint32_t place, uint32_t *to) {
    to[0] = place | (word & 255u);
    to += (word & 255u) != 0;
    to[0] = (place + EV_TAP) | (word >> 8 & 255u);
    to += (word >> 8 & 255u) != 0;
    to[0] = (place + 2 * EV_TAP) | (word >> 16 & 255u);
    to += (word >> 16 & 255u) != 0;
    to[0] = (place + 3 * EV_TAP) | word >> 24;
    return to + (word >> 24 != 0);
}

/* Adds those of `count` neighbouring values that are not zero; the first one is tap `tap`. */
static inline void add_run(tap_list *list, const uint8_t *from, int32_t count, int32_t tap) {
    uint32_t place = (uint32_t)tap * EV_TAP, *to = list->next;
    while (count >= 8) { /* nearly all are zero: past them quickly */
        const uint32_t word = ev_four(from), next = ev_four(from + 4);
        if ((word | next) != 0) {
            list->total = add_bytes(next, add_bytes(word, list->total));
            to = add_word(word, place, to);
            to = add_word(next, place + 4 * EV_TAP, to);
        }
        count -= 8;
        from += 8;
        place += 8 * EV_TAP;
    }
    for (; count >= 4; count -= 4, from += 4, place += 4 * EV_TAP) {
        const uint32_t word = ev_four(from);
        list->total = add_bytes(word, list->total);
        to = add_word(word, place, to);
    }
    for (; count > 0; count--, from++, place += EV_TAP) {
        list->total += *from;
        to[0] = place | *from;
        to += *from != 0;
    }
    list->next = to;
}

/* The taps of site (y, x); those outside the image are zero. */
static inline tap_list taps_of(const ev_window *window, const uint8_t *input, int32_t y, int32_t x, uint32_t *to) {
    tap_list list = {.next = to};
    const int32_t image_row = window->in_w * window->in_c, run = window->kernel_w * window->in_c;
    const int32_t top = y * window->stride_h - window->pad_top;
    const int32_t left = (x * window->stride_w - window->pad_left) * window->in_c;
    const int32_t first = left < 0 ? -left : 0, last = image_row - left < run ? image_row - left : run;
    for (int32_t ky = top < 0 ? -top : 0; ky < window->kernel_h && top + ky < window->in_h; ky++) {
        add_run(&list, input + (top + ky) * image_row + left + first, last - first, ky * run + first);
    }
    *list.next = 0;
    return list;
}

/* Four weights to two words, as ev_nonzero_sums reads them; ev_sites.h says how their bytes lie. */
static void widen(const uint8_t *weight, int32_t fours, uint32_t *to) {
    for (int32_t i = 0; i < fours; i++) {
        const uint32_t word = ev_four(weight + 4 * i);
        to[2 * i] = word & 0xFF0000FFu;
        to[2 * i + 1] = (word >> 16 | word << 16) & 0xFF0000FFu;
    }
}

/* Biases and multipliers of all outputs, tile by tile. */
static void copy_constants(const ev_conv2d_s8 *layer, uint32_t *to) {
    for (int32_t first = 0; first < layer->window.out_c; first += EV_TILE, to += 2 * EV_TILE) {
        const int32_t left = layer->window.out_c - first, n = left < EV_TILE ? left : EV_TILE;
        for (int32_t k = 0; k < n; k++) {
            to[k] = (uint32_t)layer->bias[first + k];
            __builtin_memcpy(to + EV_TILE + k, layer->out.multiplier + first + k, 4);
        }
    }
}

void ev_nonzero_conv2d_u8s8(const ev_nonzero_conv2d_s8 *sparse, const uint8_t *input, uint8_t *output) {
    const ev_conv2d_s8 *layer = sparse->sites.layer;
    const ev_window *window = &layer->window;
    const int32_t all = window->kernel_h * window->kernel_w * window->in_c;
    const int32_t tiles = (window->out_c + EV_TILE - 1) / EV_TILE;
    uint32_t *weight = layer->scratch, *constants = weight + EV_TILE_WORDS * all * tiles;
    uint32_t *taps = constants + 2 * EV_TILE * tiles;
    struct ev_nonzero site = {.taps = taps, .weight = weight, .constants = constants};
    site.step = (uint32_t)(4 * EV_TILE_WORDS * all);
    site.tiles = window->out_c / EV_TILE;
    site.outputs = window->out_c % EV_TILE;
    site.zero = layer->out.zero;
    site.low = layer->out.low;
    site.high = layer->out.high;
    site.plain = site.zero == 0 && site.low == 0 && site.high == UINT8_MAX;
    const int32_t active = ev_spread_sites(window, sparse->sites.in, sparse->sites.out);
    ev_fill_background(&sparse->sites.background, sparse->sites.out, output);
    ev_walk walk = ev_walk_over(sparse->sites.out);
    int more = ev_walk_on(&walk);
    if (more) {
        widen(sparse->weight, EV_TILE / 4 * all * tiles, weight);
        copy_constants(layer, constants);
    }
    for (int32_t saved = SLACK_SITES * all; more; more = ev_walk_on(&walk)) {
        const tap_list list = taps_of(window, input, walk.y, walk.x, taps);
        saved += all * WORTH_PERCENT / 100 - (int32_t)(list.next - taps);
        if (saved < 0) {
            if (ev_nearly_all(sparse->sites.out, active)) {
                ev_conv2d_u8s8(layer, input, output);
            } else {
                compute_pairs(layer, input, &walk, output);
            }
            return;
        }
        site.offset = 128 * list.total;
        site.out = output + (walk.y * window->out_w + walk.x) * window->out_c;
        ev_nonzero_site(&site);
    }
}
