/* What dense and grouped integer convolutions share: the scratch, and weights widened into it tile by tile.
 *
 * The taps of one output are `runs` rows of `run` neighbouring values each: the rows of a dense kernel, or all taps
 * of a group gathered into one row. */
#ifndef EV_CONV2D_TILES_H
#define EV_CONV2D_TILES_H

#include "ev_pairs.h"

/* The scratch, in words: two pixels, a row of taps as they come, weights. The inner loop reads ahead, up to eight words
 * behind the weights. */
enum { EV_AHEAD = 8 };

typedef struct {
    int32_t runs, run, steps; /* steps of two words per pixel */
    uint32_t *pixels, *weight;
    void *edge;
    int32_t channels; /* that fit at once */
} ev_layout;

/* `bytes` per value. */
static inline ev_layout ev_layout_of(const ev_conv2d_s8 *layer, int32_t runs, int32_t run, int32_t bytes) {
    ev_layout layout = {.runs = runs, .run = run};
    layout.steps = (runs * ev_pairs_of(run) + 1) / 2;
    layout.pixels = layer->scratch;
    layout.edge = layer->scratch + 4 * layout.steps;
    layout.weight = layer->scratch + 4 * layout.steps + (run * bytes + 3) / 4;
    layout.channels =
        (layer->scratch_words - (int32_t)(layout.weight - layer->scratch) - EV_AHEAD) / (2 * layout.steps + 2);
    return layout;
}

/* Biases, multipliers and weights of `channels` outputs from `first` on, in blocks as ev_pairs.h orders them. */
static inline void ev_widen_weights(const ev_layout *layout, const ev_conv2d_s8 *layer, int32_t first,
                                    int32_t channels) {
    const int8_t *weight = layer->weight + first * layout->runs * layout->run;
    uint32_t *block = layout->weight;
    while (channels > 0) {
        const int32_t width = channels == 3 || channels > 4 ? 3 : 2;
        for (int32_t c = 0; c < width; c++) {
            const int given = c < channels;
            uint32_t *to = block + 2 * width + c, *end = to + 2 * layout->steps * width;
            block[c] = given ? (uint32_t)layer->bias[first + c] : 0;
            __builtin_memcpy(block + width + c, layer->out.multiplier + (given ? first + c : 0), 4);
            for (int32_t i = 0; i < layout->runs && given; i++) {
                to = width == 3 ? ev_widen_threes_s8(weight, layout->run, to)
                                : ev_widen_s8((const uint8_t *)weight, layout->run, to, width);
                weight += layout->run;
            }
            for (; to < end; to += width) {
                *to = 0;
            }
        }
        block += 2 * (layout->steps + 1) * width;
        first += width;
        channels -= width;
    }
}

static inline struct ev_pairs ev_work_of(const ev_layout *layout, const ev_conv2d_s8 *layer) {
    const ev_requant *out = &layer->out;
    struct ev_pairs work = {.pixels = layout->pixels, .weight = layout->weight, .steps = layout->steps};
    work.zero = out->zero;
    work.low = (float)(out->low - out->zero);
    work.high = (float)(out->high - out->zero);
    work.plain = out->zero == 0 && out->low == 0 && out->high == UINT8_MAX;
    work.wide = layer->wide;
    return work;
}

/* Widens the weights of the next outputs of `left` from `first` on, as many as fit; returns how many. */
static inline int32_t ev_next_tile(const ev_layout *layout, const ev_conv2d_s8 *layer, int32_t first, int32_t left,
                                   struct ev_pairs *work) {
    int32_t tile = layout->channels < left ? layout->channels : left;
    tile -= left - tile == 1; /* one channel alone would waste half a block */
    ev_widen_weights(layout, layer, first, tile);
    work->twos = tile == 1 || tile % 3 == 0 ? 0 : 3 - tile % 3;
    work->end = work->weight + (tile == 1 ? 0 : 2 * (layout->steps + 1) * (tile - 2 * work->twos));
    return tile;
}

#endif
