/* What a layer holds where nothing happened: a span of neighbouring sites. */
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

void ev_copy_background(const ev_background *background, const ev_spans *spans, uint8_t *output) {
    const int32_t channels = background->channels, row = spans->sites->width * channels;
    const uint8_t *values = background->values + background->classes[spans->y] * row;
    const int32_t first = spans->first * channels, last = spans->last * channels;
    copy(values + first, output + spans->y * row + first, last - first);
}
