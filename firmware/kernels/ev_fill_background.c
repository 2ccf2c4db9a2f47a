/* What a layer holds where nothing happened. */
#include "ev_sites.h"

/* Blocks of eight words; both places lie on a multiple of four. */
static inline void copy_blocks(const uint8_t **from, uint8_t **to, int32_t blocks) {
#if defined(__arm__)
    __asm__ volatile("1:\n"
                     "ldmia %[from]!, {r3-r6, r8-r10, r12}\n"
                     "subs %[blocks], %[blocks], #1\n"
                     "stmia %[to]!, {r3-r6, r8-r10, r12}\n"
                     "bne 1b\n"
                     : [from] "+r"(*from), [to] "+r"(*to), [blocks] "+r"(blocks)
                     :
                     : "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "cc", "memory");
#else
    __builtin_memcpy(*to, *from, 32u * (uint32_t)blocks);
    *from += 32 * blocks;
    *to += 32 * blocks;
#endif
}

static inline void copy(const uint8_t *from, uint8_t *to, int32_t n) {
    if (n >= 32 && (((uintptr_t)from | (uintptr_t)to) & 3u) == 0) {
        copy_blocks(&from, &to, n / 32);
        n %= 32;
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
