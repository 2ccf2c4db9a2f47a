/* Body of max pooling that computes active sites only. The including file defines EV_KERNEL, its name, and EV_INPUT, the
 * type of input and output. Pixel follows pixel, whether computed or copied: the output may lie over the input as
 * ev_kernels.h says. */
#include "ev_maxpool_row.h"
#include "ev_sites.h"

void EV_KERNEL(const ev_sparse_maxpool *sparse, const EV_INPUT *input, EV_INPUT *output) {
    ev_spread_sites(sparse->layer, sparse->in, sparse->out);
    for (ev_spans spans = ev_spans_over(sparse->out); ev_spans_on(&spans);) {
        if (spans.active) {
            pool_row(sparse->layer, input, spans.y, spans.first, spans.last, output);
        } else {
            ev_copy_background(&sparse->background, &spans, (uint8_t *)output);
        }
    }
}
