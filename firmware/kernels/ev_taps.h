/* Which taps of a sliding window lie inside the image. */
#ifndef EV_TAPS_H
#define EV_TAPS_H

#include <stdint.h>

/* Taps [first, last) of one axis are inside; `start` is the image coordinate of tap 0 and may be negative. */
typedef struct {
    int32_t start, first, last;
} ev_taps;

static inline ev_taps ev_taps_at(int32_t position, int32_t stride, int32_t pad, int32_t kernel, int32_t size) {
    ev_taps taps;
    taps.start = position * stride - pad;
    taps.first = taps.start < 0 ? -taps.start : 0;
    taps.last = size - taps.start < kernel ? size - taps.start : kernel;
    if (taps.first > kernel) {
        taps.first = kernel;
    }
    if (taps.last < taps.first) {
        taps.last = taps.first;
    }
    return taps;
}

#endif
