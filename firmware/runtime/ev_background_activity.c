/* The background-activity filter: keeps an event only if one of its eight neighbours fired shortly before. */
#include "ev_model.h"

/* Unsigned difference: a neighbour that fired later (time ran backwards) is far away, not near. */
static inline int is_near(uint32_t fired, uint32_t t, uint32_t keep_within) {
    return fired != EV_NEVER && t - fired <= keep_within;
}

/* Three pixels that lie side by side, the first one at `last`. */
static inline int any_near(const uint32_t *last, uint32_t t, uint32_t keep_within) {
    return is_near(last[0], t, keep_within) || is_near(last[1], t, keep_within) || is_near(last[2], t, keep_within);
}

/* A pixel at the sensor's edge. */
static int kept_at_edge(const uint32_t *last, uint32_t width, uint32_t height, uint32_t x, uint32_t y, uint32_t t,
                        uint32_t keep_within) {
    const uint32_t left = x > 0 ? x - 1u : 0u, right = x + 1u < width ? x + 1u : x;
    const uint32_t top = y > 0 ? y - 1u : 0u, bottom = y + 1u < height ? y + 1u : y;
    for (uint32_t row = top; row <= bottom; row++) {
        for (uint32_t column = left; column <= right; column++) {
            const int itself = row == y && column == x;
            if (!itself && is_near(last[row * width + column], t, keep_within)) {
                return 1;
            }
        }
    }
    return 0;
}

int ev_background_activity(uint32_t *last, uint16_t width, uint16_t height, uint16_t x, uint16_t y, uint32_t t,
                           uint32_t keep_within) {
    if (x >= width || y >= height) {
        return 0;
    }
    uint32_t *own = last + (uint32_t)y * width + x;
    int kept;
    if (x > 0 && y > 0 && x + 1 < width && y + 1 < height) {
        kept = is_near(own[-1], t, keep_within) || is_near(own[1], t, keep_within) ||
               any_near(own - width - 1, t, keep_within) || any_near(own + width - 1, t, keep_within);
    } else {
        kept = kept_at_edge(last, width, height, x, y, t, keep_within);
    }
    *own = t;
    return kept;
}
