/* Two output pixels times a tile of output channels, to 16-bit values; their sums have 32 bits or, when wide, 64. */
#define EV_OUTPUT int16_t
#define EV_STORE "strh"
#define EV_STEP "#2"
#include "ev_multiply_pairs.h"
#include "ev_wide.h"

static void multiply_wide(const struct ev_pairs *work, int16_t *first, int16_t *second) {
    const uint32_t *block = work->weight;
    const int32_t low = work->zero + (int32_t)work->low, high = work->zero + (int32_t)work->high;
    const uint32_t *end = work->end + work->twos * 4 * (work->steps + 1);
    const int single = block == end; /* the only channel of a layer, in a block of two */
    end += single ? 4 * (work->steps + 1) : 0;
    while (block < end) {
        const int32_t width = block < work->end ? 3 : 2;
        for (int32_t k = 0; k < (single ? 1 : width); k++) {
            const uint32_t *weight = block + 2 * width + k, *pixel = work->pixels;
            int64_t a = (int32_t)block[k], b = a;
            float multiplier;
            __builtin_memcpy(&multiplier, block + width + k, sizeof multiplier);
            for (int32_t i = 0; i < 2 * work->steps; i++) {
                a = ev_dual_wide(pixel[0], *weight, a);
                b = ev_dual_wide(pixel[1], *weight, b);
                pixel += 2;
                weight += width;
            }
            *first++ = (int16_t)ev_limit(ev_float_of(a) * multiplier, work->zero, low, high);
            *second++ = (int16_t)ev_limit(ev_float_of(b) * multiplier, work->zero, low, high);
        }
        block += 2 * (work->steps + 1) * width;
    }
}

void ev_multiply_pairs_s16(const struct ev_pairs *work, int16_t *first, int16_t *second) {
    if (work->wide) {
        multiply_wide(work, first, second);
    } else {
        ev_multiply(work, first, second);
    }
}
