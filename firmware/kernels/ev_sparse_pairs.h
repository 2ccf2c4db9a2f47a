/* Active sites of an integer convolution, two at a time. The including file defines what ev_conv2d_taps.h asks for. */
#ifndef EV_SPARSE_PAIRS_H
#define EV_SPARSE_PAIRS_H

#include "ev_conv2d_taps.h"
#include "ev_sites.h"

/* The site that `start` stands at and all behind it. */
static void compute_pairs(const ev_conv2d_s8 *layer, const EV_INPUT *input, const ev_walk *start, uint8_t *output) {
    const ev_window *window = &layer->window;
    const ev_layout layout = ev_layout_of(layer, window->kernel_h, window->kernel_w * window->in_c, sizeof(EV_INPUT));
    struct ev_pairs work = ev_work_of(&layout, layer);
    for (int32_t done = 0, tile; done < window->out_c; done += tile) {
        ev_walk walk = *start;
        tile = ev_next_tile(&layout, layer, done, window->out_c - done, &work);
        for (int more = 1; more;) {
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

#endif
