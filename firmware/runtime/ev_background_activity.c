/* The background-activity filter: keeps an event only if one of its eight neighbours fired shortly before. */
#include "ev_model.h"

int ev_background_activity(uint32_t *last, uint16_t width, uint16_t height, uint16_t x, uint16_t y, uint32_t t,
                           uint32_t keep_within) {
    if (x >= width || y >= height) {
        return 0;
    }
    uint32_t left = x > 0 ? x - 1u : 0u, right = x + 1u < width ? x + 1u : x;
    uint32_t top = y > 0 ? y - 1u : 0u, bottom = y + 1u < height ? y + 1u : y;
    int kept = 0;
    for (uint32_t row = top; row <= bottom; row++) {
        for (uint32_t column = left; column <= right; column++) {
            uint32_t fired = last[row * width + column];
            int itself = row == y && column == x;
            /* Unsigned difference: a neighbour that fired later (time ran backwards) is far away, not near. */
            if (!itself && fired != EV_NEVER && t - fired <= keep_within) {
                kept = 1;
            }
        }
    }
    last[(uint32_t)y * width + x] = t;
    return kept;
}
