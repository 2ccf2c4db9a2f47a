/* Body of the integer convolutions. The including file defines EV_KERNEL, its name, and EV_WIDEN_INPUT, which widens
 * the input's type.
 *
 * Weights are widened into the scratch once per layer, in tiles of output channels that fit it; the taps of two output
 * pixels at a time are gathered beside them. Taps outside the image hold the zero point, which the bias takes away. */
#include "ev_conv2d_tiles.h"

/* One row of taps that lies partly outside the image. */
static const uint8_t *edge_row(const ev_layout *layout, const ev_conv2d_s8 *layer, const uint8_t *image_row,
                               int32_t start) {
    const int32_t first = start * layer->window.in_c, size = layer->window.in_w * layer->window.in_c;
    for (int32_t i = 0; i < layout->run; i++) {
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
        to = EV_WIDEN_INPUT(row, layout->run, to);
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

void EV_KERNEL(const ev_conv2d_s8 *layer, const EV_INPUT *input, uint8_t *output) {
    const ev_window *window = &layer->window;
    const ev_layout layout = ev_layout_of(layer, window->kernel_h, window->kernel_w * window->in_c);
    const uint8_t *image = (const uint8_t *)input;
    const int32_t pixels = window->out_h * window->out_w;
    struct ev_pairs work = ev_work_of(&layout, &layer->out);
    for (int32_t done = 0, tile; done < window->out_c; done += tile) {
        tile = ev_next_tile(&layout, layer, done, window->out_c - done, &work);
        int32_t y = 0, x = 0;
        for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
            uint8_t *first = output + pixel * window->out_c + done;
            const int single = pixel + 1 == pixels;
            gather(&layout, layer, image, y, x, layout.pixels);
            if (!single && ++x == window->out_w) {
                x = 0;
                y++;
            }
            gather(&layout, layer, image, y, x, layout.pixels + 1);
            if (++x == window->out_w) {
                x = 0;
                y++;
            }
            ev_multiply_pairs(&work, first, single ? first : first + window->out_c);
        }
    }
}
