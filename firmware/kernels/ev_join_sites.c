/* Activity of what is made of two tensors of one size, site by site. */
#include "ev_sites.h"

void ev_join_sites(const ev_sites *a, const ev_sites *b, const ev_sites *out) {
    for (int32_t i = 0; i < out->height * out->words; i++) {
        out->bits[i] = a->bits[i] | b->bits[i];
    }
}
