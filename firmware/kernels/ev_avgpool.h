/* Body of integer global average pooling: an exact sum, then one rounding. The including file defines EV_KERNEL, its
 * name, and EV_INPUT and EV_OUTPUT, the types of activations.
 *
 * Four channels of bytes are added at a time, two to a word: 256 bytes fit 16 bits. Signed values are made positive
 * by adding 128. A channel is read whole before it is written, so the output may lie over the input. */
#include "ev_pairs.h"
#include "ev_requantise.h"

enum { EV_LANE = 256 }; /* values that a lane of 16 bits can add */

static inline uint32_t flip_of_sign(void) {
    return (EV_INPUT)-1 < (EV_INPUT)1 ? 0x80808080u : 0u;
}

static void add_four(const uint8_t *from, int32_t positions, int32_t channels, int32_t sums[4]) {
    while (positions > 0) {
        const int32_t n = positions < EV_LANE ? positions : EV_LANE;
        uint32_t even = 0, odd = 0;
        for (int32_t p = 0; p < n; p++, from += channels) {
            const uint32_t word = ev_four(from) ^ flip_of_sign();
            even += ev_even_u8(word);
            odd += ev_odd_u8(word);
        }
        sums[0] += (int32_t)(even & 0xFFFFu);
        sums[1] += (int32_t)(odd & 0xFFFFu);
        sums[2] += (int32_t)(even >> 16);
        sums[3] += (int32_t)(odd >> 16);
        positions -= n;
    }
}

void EV_KERNEL(const ev_avgpool *layer, const EV_INPUT *input, EV_OUTPUT *output) {
    const ev_requant *out = &layer->out;
    const int32_t start = -layer->positions * (layer->in_zero + (flip_of_sign() != 0 ? 128 : 0));
    int32_t c = 0;
    for (; sizeof(EV_INPUT) == 1 && c + 4 <= layer->channels; c += 4) {
        int32_t sums[4] = {start, start, start, start};
        add_four((const uint8_t *)input + c, layer->positions, layer->channels, sums);
        for (int32_t k = 0; k < 4; k++) {
            output[c + k] = (EV_OUTPUT)ev_limit((float)sums[k] * out->multiplier[0], out->zero, out->low, out->high);
        }
    }
    for (; c < layer->channels; c++) {
        int32_t sum = -layer->positions * layer->in_zero;
        for (int32_t p = 0; p < layer->positions; p++) {
            sum += input[p * layer->channels + c];
        }
        output[c] = (EV_OUTPUT)ev_limit((float)sum * out->multiplier[0], out->zero, out->low, out->high);
    }
}
