/* Which pixels of a window hold events: for windows that arrive as dense counts. */
#include "ev_sites.h"

static inline uint32_t four(const uint8_t *bytes) {
    uint32_t word;
    __builtin_memcpy(&word, bytes, sizeof word);
    return word;
}

/* Whether `n` bytes hold anything but zeros; words may overlap. Full pixels end at their first word. */
static inline uint32_t any(const uint8_t *bytes, int32_t n) {
    uint32_t found = 0;
    if (n < 4) {
        for (int32_t i = 0; i < n; i++) {
            found |= bytes[i];
        }
        return found;
    }
    if (four(bytes) != 0) {
        return 1;
    }
    for (int32_t i = 8; i < n; i += 4) {
        found |= four(bytes + i - 4);
    }
    return found | four(bytes + n - 4);
}

/* With a constant number of channels the compiler unrolls `any`. */
static inline __attribute__((always_inline)) void find(const uint8_t *image, int32_t channels, const ev_sites *sites) {
    uint32_t *to = sites->bits;
    for (int32_t y = 0; y < sites->height; y++) {
        for (int32_t x = 0; x < sites->width;) {
            uint32_t word = 0;
            for (uint32_t bit = 1; bit != 0 && x < sites->width; bit <<= 1, x++, image += channels) {
                word |= any(image, channels) != 0 ? bit : 0;
            }
            *to++ = word;
        }
    }
}

void ev_find_sites(const uint8_t *image, int32_t channels, const ev_sites *sites) {
    switch (channels) { /* both polarities of four, five, six and eight bins */
    case 8: find(image, 8, sites); break;
    case 10: find(image, 10, sites); break;
    case 12: find(image, 12, sites); break;
    case 16: find(image, 16, sites); break;
    default: find(image, channels, sites); break;
    }
}
