/* Body of the integer additions that compute active sites only. The including file defines EV_KERNEL, its name, and EV_A
 * and EV_B, the input types. */
#include "ev_add_values.h"
#include "ev_sites.h"

void EV_KERNEL(const ev_sparse_add *sparse, const EV_A *a, const EV_B *b, uint8_t *output) {
    const ev_adder adder = adder_of(sparse->layer);
    const ev_background background = sparse->background;
    const int32_t channels = background.channels, row = sparse->out->width * channels;
    ev_join_sites(sparse->a, sparse->b, sparse->out);
    for (ev_spans spans = ev_spans_over(sparse->out); ev_spans_on(&spans);) {
        const int32_t start = spans.y * row;
        if (spans.active) {
            add_values(&adder, a, b, start + spans.first * channels, start + spans.last * channels, output);
        } else {
            ev_copy_background(&background, &spans, output);
        }
    }
}
