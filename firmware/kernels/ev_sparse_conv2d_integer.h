/* Body of the integer convolutions that compute active sites only. The including file defines what
 * ev_conv2d_taps.h asks for. */
#include "ev_conv2d_taps.h"
#include "ev_sites.h"

void EV_KERNEL(const ev_sparse_conv2d_s8 *sparse, const EV_INPUT *input, uint8_t *output) {
    const ev_conv2d_s8 *layer = sparse->layer;
    const ev_window *window = &layer->window;
    const ev_layout layout = ev_layout_of(layer, window->kernel_h, window->kernel_w * window->in_c, sizeof(EV_INPUT));
    struct ev_pairs work = ev_work_of(&layout, layer);
    ev_spread_sites(window, sparse->in, sparse->out);
    ev_fill_background(&sparse->background, sparse->out, output);
    for (int32_t done = 0, tile = window->out_c; done < window->out_c; done += tile) {
        ev_walk walk = ev_walk_over(sparse->out);
        int more = ev_walk_on(&walk);
        if (more) {
            tile = ev_next_tile(&layout, layer, done, window->out_c - done, &work);
        }
        while (more) {
            uint8_t *first = output + (walk.y * window->out_w + walk.x) * window->out_c + done, *second = first;
            gather(&layout, layer, input, walk.y, walk.x, layout.pixels);
            more = ev_walk_on(&walk); /* at the last site y and x stay, and the pair is one site twice */
            gather(&layout, layer, input, walk.y, walk.x, layout.pixels + 1);
            if (more) {
                second = output + (walk.y * window->out_w + walk.x) * window->out_c + done;
                more = ev_walk_on(&walk);
            }
            ev_multiply_pairs(&work, first, second);
        }
    }
}
