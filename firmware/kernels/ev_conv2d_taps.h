/* The taps of one output of an integer convolution, gathered and widened. The including file defines EV_INPUT, the type
 * of the input's values, and EV_WIDEN_INPUT, which pairs them.
 *
 * Weights are widened into the scratch once per layer, in tiles of output channels that fit it; the taps of two output
 * pixels at a time are gathered beside them. Taps outside the image hold the zero point, which the bias takes away. */
#ifndef EV_CONV2D_TAPS_H
#define EV_CONV2D_TAPS_H

#include "ev_conv2d_tiles.h"

/* One row of taps that lies partly outside the image. */
static const EV_INPUT *edge_row(const ev_layout *layout, const ev_conv2d_s8 *layer, const EV_INPUT *image_row,
                                int32_t start) {
    const int32_t first = start * layer->window.in_c, size = layer->window.in_w * layer->window.in_c;
    EV_INPUT *edge = layout->edge;
    for (int32_t i = 0; i < layout->run; i++) {
        const int inside = first + i >= 0 && first + i < size;
        edge[i] = inside ? image_row[first + i] : (EV_INPUT)layer->in_zero;
    }
    return edge;
}

/* A pixel whose taps lie partly outside the image. */
static uint32_t *gather_edge(const ev_layout *layout, const ev_conv2d_s8 *layer, const EV_INPUT *input, int32_t top,
                             int32_t left, uint32_t *to) {
    const ev_window *window = &layer->window;
    const int32_t image_row = window->in_w * window->in_c;
    const int whole = left >= 0 && left + window->kernel_w <= window->in_w;
    for (int32_t ky = 0; ky < window->kernel_h; ky++) {
        const int inside = top + ky >= 0 && top + ky < window->in_h;
        const EV_INPUT *row = input + (inside ? top + ky : 0) * image_row;
        row = inside && whole ? row + left * window->in_c : edge_row(layout, layer, row, inside ? left : window->in_w);
        to = EV_WIDEN_INPUT(row, layout->run, to);
    }
    return to;
}

static inline void gather(const ev_layout *layout, const ev_conv2d_s8 *layer, const EV_INPUT *input, int32_t y,
                          int32_t x, uint32_t *to) {
    const ev_window *window = &layer->window;
    const int32_t image_row = window->in_w * window->in_c;
    const int32_t top = y * window->stride_h - window->pad_top, left = x * window->stride_w - window->pad_left;
    const uint32_t *end = to + 4 * layout->steps;
    if (top >= 0 && left >= 0 && top + window->kernel_h <= window->in_h && left + window->kernel_w <= window->in_w) {
        const EV_INPUT *row = input + top * image_row + left * window->in_c;
        for (int32_t ky = 0; ky < window->kernel_h; ky++) {
            to = EV_WIDEN_INPUT(row, layout->run, to);
            row += image_row;
        }
    } else {
        to = gather_edge(layout, layer, input, top, left, to);
    }
    if (to < end) {
        *to = 0;
    }
}

#endif
