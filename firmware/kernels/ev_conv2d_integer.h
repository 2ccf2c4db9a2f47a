/* Body of the integer convolutions. The including file defines EV_KERNEL, its name, EV_INPUT and EV_OUTPUT, the types
 * of activations, EV_WIDEN_INPUT, which pairs values of the input, and EV_MULTIPLY, which makes outputs of them. */
#include "ev_conv2d_taps.h"

void EV_KERNEL(const ev_conv2d_s8 *layer, const EV_INPUT *input, EV_OUTPUT *output) {
    const ev_window *window = &layer->window;
    const ev_layout layout = ev_layout_of(layer, window->kernel_h, window->kernel_w * window->in_c, sizeof(EV_INPUT));
    const int32_t pixels = window->out_h * window->out_w;
    struct ev_pairs work = ev_work_of(&layout, layer);
    for (int32_t done = 0, tile; done < window->out_c; done += tile) {
        tile = ev_next_tile(&layout, layer, done, window->out_c - done, &work);
        int32_t y = 0, x = 0;
        for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
            EV_OUTPUT *first = output + pixel * window->out_c + done;
            const int single = pixel + 1 == pixels;
            gather(&layout, layer, input, y, x, layout.pixels);
            if (!single && ++x == window->out_w) {
                x = 0;
                y++;
            }
            gather(&layout, layer, input, y, x, layout.pixels + 1);
            if (++x == window->out_w) {
                x = 0;
                y++;
            }
            EV_MULTIPLY(&work, first, single ? first : first + window->out_c);
        }
    }
}
