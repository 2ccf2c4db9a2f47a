/* Body of the integer depthwise convolutions that compute active sites only. The including file defines EV_KERNEL, its
 * name, and what ev_depthwise_rows.h asks for. */
#include "ev_depthwise_rows.h"
#include "ev_sites.h"

void EV_KERNEL(const ev_sparse_conv2d_s8 *sparse, const EV_INPUT *input, uint8_t *output) {
    const ev_conv2d_s8 *layer = sparse->layer;
    const int32_t active = ev_spread_sites(&layer->window, sparse->in, sparse->out);
    if (ev_nearly_all(sparse->out, active)) {
        all_rows(layer, input, output);
        return;
    }
    const int fast = is_fast(&layer->window);
    ev_depthwise_rows shared = {.patch = 0};
    ev_fill_background(&sparse->background, sparse->out, output);
    ev_runs runs = ev_runs_over(sparse->out);
    int more = ev_runs_on(&runs);
    if (more && fast) {
        shared = rows_of(layer);
    }
    for (; more; more = ev_runs_on(&runs)) {
        if (fast) {
            row_3x3(layer, &shared, (const uint8_t *)input, runs.y, runs.first, runs.last, output);
        } else {
            any_row(layer, input, runs.y, runs.first, runs.last, output);
        }
    }
}
