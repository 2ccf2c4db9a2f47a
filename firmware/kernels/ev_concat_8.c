/* The channels of one 8-bit input among those of the output; on another grid every byte is looked up. */
#include "ev_kernels.h"

void ev_concat_8(const ev_concat *part, const uint8_t *input, uint8_t *output) {
    output += part->first;
    for (int32_t p = 0; p < part->positions; p++) {
        if (part->table == 0) {
            __builtin_memcpy(output, input, (uint32_t)part->channels);
        } else {
            for (int32_t c = 0; c < part->channels; c++) {
                output[c] = part->table[input[c]];
            }
        }
        input += part->channels;
        output += part->step;
    }
}
