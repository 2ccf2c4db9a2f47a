/* Body of the integer depthwise convolutions. The including file defines EV_KERNEL, its name, and what
 * ev_depthwise_rows.h asks for. */
#include "ev_depthwise_rows.h"

void EV_KERNEL(const ev_conv2d_s8 *layer, const EV_INPUT *input, uint8_t *output) {
    all_rows(layer, input, output);
}
