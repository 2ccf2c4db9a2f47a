/* Body of the integer additions. The including file defines EV_KERNEL, its name, and EV_A and EV_B, the input types. */
#include "ev_add_values.h"

void EV_KERNEL(const ev_add *layer, const EV_A *a, const EV_B *b, uint8_t *output) {
    const ev_adder adder = adder_of(layer);
    add_values(&adder, a, b, 0, adder.layer.size, output);
}
