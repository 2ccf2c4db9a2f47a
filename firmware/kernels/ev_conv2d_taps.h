/* What integer convolutions do before they multiply: widened weights, and the taps of a pixel gathered beside them. The
 * including file defines EV_WIDEN_INPUT, which widens the input's type.
 *
 * Weights are widened into the scratch once per layer, in tiles of output channels that fit it; the taps of two output
 * pixels at a time are gathered beside them. Taps outside the image hold the zero point, which the bias takes away. */
#ifndef EV_CONV2D_TAPS_H
#define EV_CONV2D_TAPS_H

#include "ev_pairs.h"

/* The scratch, in words: two pixels, a row of taps as bytes, weights. The inner loop reads ahead, up to eight words
 * behind the weights. */
enum { EV_AHEAD = 8 };

typedef struct {
    int32_t row, pairs, steps; /* values in a row of taps; words per pixel, padded to whole steps of two */
    uint32_t *pixels, *weight;
    uint8_t *edge;
    int32_t channels; /* that fit at once */
} ev_layout;

static inline ev_layout layout_of(const ev_conv2d_s8 *layer) {
    const ev_window *window = &layer->window;
    ev_layout layout;
    layout.row = window->kernel_w * window->in_c;
    layout.pairs = window->kernel_h * ev_pairs_of(layout.row);
    layout.steps = (layout.pairs + 1) / 2;
    layout.pixels = layer->scratch;
    layout.edge = (uint8_t *)(layer->scratch + 4 * layout.steps);
    layout.weight = layer->scratch + 4 * layout.steps + (layout.row + 3) / 4;
    layout.channels =
        (layer->scratch_words - (int32_t)(layout.weight - layer->scratch) - EV_AHEAD) / (2 * layout.steps + 2);
    return layout;
}

/* Biases, multipliers and weights of `channels` outputs from `first` on, in blocks as ev_pairs.h orders them. */
static void widen_weights(const ev_layout *layout, const ev_conv2d_s8 *layer, int32_t first, int32_t channels) {
    const int32_t rows = layer->window.kernel_h;
    const int8_t *weight = layer->weight + first * rows * layout->row;
    uint32_t *block = layout->weight;
    while (channels > 0) {
        const int32_t width = channels == 3 || channels > 4 ? 3 : 2;
        for (int32_t c = 0; c < width; c++) {
            const int given = c < channels;
            uint32_t *to = block + 2 * width + c, *end = to + 2 * layout->steps * width;
            block[c] = given ? (uint32_t)layer->bias[first + c] : 0;
            __builtin_memcpy(block + width + c, layer->out.multiplier + (given ? first + c : 0), 4);
            for (int32_t ky = 0; ky < rows && given; ky++) {
                to = ev_widen_s8((const uint8_t *)weight, layout->row, to, width);
                weight += layout->row;
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

/* One row of taps that lies partly outside the image. */
static const uint8_t *edge_row(const ev_layout *layout, const ev_conv2d_s8 *layer, const uint8_t *image_row,
                               int32_t start) {
    const int32_t first = start * layer->window.in_c, size = layer->window.in_w * layer->window.in_c;
    for (int32_t i = 0; i < layout->row; i++) {
        const int inside = first + i >= 0 && first + i < size;
        layout->edge[i] = inside ? image_row[first + i] : (uint8_t)layer->in_zero;
    }
    return layout->edge;
}

/* A pixel whose taps lie partly outside the image. */
static uint32_t *gather_edge(const ev_layout *layout, const ev_conv2d_s8 *layer, const uint8_t *input, int32_t top,
                             int32_t left, uint32_t *to) {
    const ev_window *window = &layer->window;
    const int32_t image_row = window->in_w * window->in_c;
    const int whole = left >= 0 && left + window->kernel_w <= window->in_w;
    for (int32_t ky = 0; ky < window->kernel_h; ky++) {
        const int inside = top + ky >= 0 && top + ky < window->in_h;
        const uint8_t *row = input + (inside ? top + ky : 0) * image_row;
        row = inside && whole ? row + left * window->in_c : edge_row(layout, layer, row, inside ? left : window->in_w);
        to = EV_WIDEN_INPUT(row, layout->row, to);
    }
    return to;
}

static inline void gather(const ev_layout *layout, const ev_conv2d_s8 *layer, const uint8_t *input, int32_t y,
                          int32_t x, uint32_t *to) {
    const ev_window *window = &layer->window;
    const int32_t image_row = window->in_w * window->in_c;
    const int32_t top = y * window->stride_h - window->pad_top, left = x * window->stride_w - window->pad_left;
    const uint32_t *end = to + 4 * layout->steps;
    if (top >= 0 && left >= 0 && top + window->kernel_h <= window->in_h && left + window->kernel_w <= window->in_w) {
        const uint8_t *row = input + top * image_row + left * window->in_c;
        for (int32_t ky = 0; ky < window->kernel_h; ky++) {
            to = EV_WIDEN_INPUT(row, layout->row, to);
            row += image_row;
        }
    } else {
        to = gather_edge(layout, layer, input, top, left, to);
    }
    if (to < end) {
        *to = 0;
    }
}

static struct ev_pairs work_of(const ev_layout *layout, const ev_conv2d_s8 *layer) {
    struct ev_pairs work = {.pixels = layout->pixels, .weight = layout->weight, .steps = layout->steps};
    work.zero = layer->out.zero;
    work.low = (float)(layer->out.low - layer->out.zero);
    work.high = (float)(layer->out.high - layer->out.zero);
    work.plain = layer->out.zero == 0 && layer->out.low == 0;
    return work;
}

/* Widens the weights of as many output channels from `done` on as fit the scratch; returns how many. */
static int32_t next_tile(const ev_layout *layout, const ev_conv2d_s8 *layer, int32_t done, struct ev_pairs *work) {
    const int32_t left = layer->window.out_c - done;
    int32_t tile = layout->channels < left ? layout->channels : left;
    tile -= left - tile == 1; /* one channel alone would waste half a block */
    widen_weights(layout, layer, done, tile);
    work->twos = tile == 1 || tile % 3 == 0 ? 0 : 3 - tile % 3;
    work->end = work->weight + (tile == 1 ? 0 : 2 * (layout->steps + 1) * (tile - 2 * work->twos));
    return tile;
}

#endif
