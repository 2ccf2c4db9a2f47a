/* What a layer holds where nothing happened. */
#include "ev_sites.h"

static inline void copy(const uint8_t *from, uint8_t *to, int32_t n) {
    for (; n >= 32; n -= 32, from += 32, to += 32) {
        uint32_t words[8];
        __builtin_memcpy(words, from, 32);
        __builtin_memcpy(to, words, 32);
    }
    for (; n >= 4; n -= 4, from += 4, to += 4) {
        __builtin_memcpy(to, from, 4);
    }
    for (; n > 0; n--) {
        *to++ = *from++;
    }
}

/* The first column from x on whose bit is `wanted`, or the width. */
static inline int32_t find(const uint32_t *row, int32_t x, int32_t width, int wanted) {
    while (x < width) {
        const uint32_t word = wanted ? row[x / 32] : ~row[x / 32];
        const uint32_t rest = word >> (uint32_t)x % 32u;
        if (rest != 0) {
            x += __builtin_ctz(rest);
            return x < width ? x : width;
        }
        x = (x / 32 + 1) * 32;
    }
    return width;
}

void ev_fill_background(const ev_background *background, const ev_sites *sites, uint8_t *output) {
    const int32_t channels = background->channels, width = sites->width, row_bytes = width * channels;
    for (int32_t y = 0; y < sites->height; y++, output += row_bytes) {
        const uint32_t *row = sites->bits + y * sites->words;
        const uint8_t *values = background->values + background->classes[y] * row_bytes;
        for (int32_t x = find(row, 0, width, 0); x < width;) {
            const int32_t end = find(row, x, width, 1);
            copy(values + x * channels, output + x * channels, (end - x) * channels);
            x = find(row, end, width, 0);
        }
    }
}
