/* Body of the grouped integer convolutions. The including file defines EV_KERNEL, its name, EV_INPUT and
 * EV_OUTPUT, the types of activations, EV_WIDEN_INPUT, which pairs values of the input, and EV_MULTIPLY, which makes
 * outputs of them.
 *
 * Each group is a dense convolution of its own: its taps, which lie apart in the image, are gathered into one row. */
#include "ev_conv2d_tiles.h"

/* The taps of one output pixel over `count` channels from `input` on; those outside the image hold the zero point. */
static void gather(const ev_layout *layout, const ev_conv2d_s8 *layer, int32_t count, const EV_INPUT *input, int32_t y,
                   int32_t x, uint32_t *to) {
    const ev_window *window = &layer->window;
    const uint32_t *end = to + 4 * layout->steps;
    const int32_t top = y * window->stride_h - window->pad_top, left = x * window->stride_w - window->pad_left;
    EV_INPUT *tap = layout->edge;
    if (top >= 0 && left >= 0 && top + window->kernel_h <= window->in_h && left + window->kernel_w <= window->in_w) {
        const EV_INPUT *row = input + (top * window->in_w + left) * window->in_c;
        for (int32_t ky = 0; ky < window->kernel_h; ky++) {
            const EV_INPUT *from = row;
            for (int32_t kx = 0; kx < window->kernel_w; kx++) {
                *tap++ = *from;
                for (int32_t c = 1; c < count; c++) {
                    *tap++ = from[c];
                }
                from += window->in_c;
            }
            row += window->in_w * window->in_c;
        }
        to = EV_WIDEN_INPUT(layout->edge, layout->run, to);
        if (to < end) {
            *to = 0;
        }
        return;
    }
    for (int32_t row = top; row < top + window->kernel_h; row++) {
        for (int32_t column = left; column < left + window->kernel_w; column++) {
            const int inside = row >= 0 && row < window->in_h && column >= 0 && column < window->in_w;
            const EV_INPUT *from = input + (inside ? (row * window->in_w + column) * window->in_c : 0);
            for (int32_t c = 0; c < count; c++) {
                *tap++ = inside ? from[c] : (EV_INPUT)layer->in_zero;
            }
        }
    }
    to = EV_WIDEN_INPUT(layout->edge, layout->run, to);
    if (to < end) {
        *to = 0;
    }
}

void EV_KERNEL(const ev_conv2d_s8 *layer, int32_t groups, const EV_INPUT *input, EV_OUTPUT *output) {
    const ev_window *window = &layer->window;
    const int32_t count = window->in_c / groups, made = window->out_c / groups;
    const ev_layout layout = ev_layout_of(layer, 1, window->kernel_h * window->kernel_w * count, sizeof(EV_INPUT));
    const int32_t pixels = window->out_h * window->out_w;
    struct ev_pairs work = ev_work_of(&layout, layer);
    for (int32_t group = 0; group < groups; group++) {
        const EV_INPUT *image = input + group * count;
        const int32_t end = (group + 1) * made;
        for (int32_t done = group * made, tile; done < end; done += tile) {
            tile = ev_next_tile(&layout, layer, done, end - done, &work);
            int32_t y = 0, x = 0;
            for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
                EV_OUTPUT *first = output + pixel * window->out_c + done;
                const int single = pixel + 1 == pixels;
                gather(&layout, layer, count, image, y, x, layout.pixels);
                if (!single && ++x == window->out_w) {
                    x = 0;
                    y++;
                }
                gather(&layout, layer, count, image, y, x, layout.pixels + 1);
                if (++x == window->out_w) {
                    x = 0;
                    y++;
                }
                EV_MULTIPLY(&work, first, single ? first : first + window->out_c);
            }
        }
    }
}
