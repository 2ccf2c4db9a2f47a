/* One site of a convolution that skips zeros: the taps that are not zero, times eight outputs at a time. */
#ifndef EV_NONZERO_H
#define EV_NONZERO_H

#include "ev_kernels.h"

enum {
    EV_TILE = 8,                 /* outputs that are computed together */
    EV_TILE_WORDS = EV_TILE / 2, /* of weights, per tap */
    EV_TAP = 1 << 20             /* from one position to the next in a list of taps */
};

/* taps: value | position << 20, closed by a 0. weight: [tile][position][EV_TILE_WORDS], a word holds an even output's
 * weight plus 128 in its low byte and the next output's weight in its top byte. constants: [tile][8 biases, 8
 * multipliers]. Outputs are clamped to [0, 255], or as the last four members say where `plain` is 0. */
struct ev_nonzero {
    const uint32_t *taps;
    const uint32_t *weight;
    uint32_t step; /* bytes from tile to tile */
    const uint32_t *constants;
    uint8_t *out;
    uint32_t offset; /* 128 times the sum of all taps, which the even outputs have too much */
    int32_t tiles;
    int32_t outputs; /* of the last tile, where it is not full; else 0 */
    int32_t plain;
    int32_t zero, low, high;
};

#endif
