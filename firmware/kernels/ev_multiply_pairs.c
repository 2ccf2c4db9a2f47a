/* Two output pixels times a tile of output channels, to 8-bit values. */
#define EV_OUTPUT uint8_t
#define EV_STORE "strb"
#define EV_STEP "#1"
#include "ev_multiply_pairs.h"

void ev_multiply_pairs(const struct ev_pairs *work, uint8_t *first, uint8_t *second) {
    ev_multiply(work, first, second);
}
