/* Body of average pooling under a window that computes active sites only. The including file defines EV_KERNEL, its
 * name, and EV_INPUT. Pixel follows pixel, whether computed or copied: the output may lie over the input as ev_kernels.h
 * says. */
#include "ev_avgpool2d_row.h"
#include "ev_sites.h"

void EV_KERNEL(const ev_sparse_avgpool2d *sparse, const EV_INPUT *input, uint8_t *output) {
    ev_spread_sites(&sparse->layer->window, sparse->in, sparse->out);
    for (ev_spans spans = ev_spans_over(sparse->out); ev_spans_on(&spans);) {
        if (spans.active) {
            average_row(sparse->layer, input, spans.y, spans.first, spans.last, output);
        } else {
            ev_copy_background(&sparse->background, &spans, output);
        }
    }
}
