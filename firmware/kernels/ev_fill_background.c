/* What a layer holds where nothing happened. */
#include "ev_sites.h"

void ev_fill_background(const ev_background *background, const ev_sites *sites, uint8_t *output) {
    for (ev_spans spans = ev_spans_over(sites); ev_spans_on(&spans);) {
        if (!spans.active) {
            ev_copy_background(background, &spans, output);
        }
    }
}
