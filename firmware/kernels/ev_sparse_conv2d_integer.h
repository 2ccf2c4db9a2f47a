/* Body of the integer convolutions that compute active sites only. The including file defines EV_KERNEL, its name,
 * EV_DENSE, the kernel that computes all sites, and what ev_conv2d_taps.h asks for. */
#include "ev_sparse_pairs.h"

void EV_KERNEL(const ev_sparse_conv2d_s8 *sparse, const EV_INPUT *input, uint8_t *output) {
    const int32_t active = ev_spread_sites(&sparse->layer->window, sparse->in, sparse->out);
    if (ev_nearly_all(sparse->out, active)) {
        EV_DENSE(sparse->layer, input, output);
        return;
    }
    ev_fill_background(&sparse->background, sparse->out, output);
    ev_walk walk = ev_walk_over(sparse->out);
    if (ev_walk_on(&walk)) {
        compute_pairs(sparse->layer, input, &walk, output);
    }
}
