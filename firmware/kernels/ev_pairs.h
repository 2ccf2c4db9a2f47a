/* What integer convolutions share: values in pairs of 16 bits, as the M7's dual multiplier reads them.
 *
 * A word holds two values. Four neighbouring bytes a b c d become the words (a, c) and (b, d), which takes one
 * instruction each; weights are widened by the same rule, so every value meets its weight. What is left over at the end
 * of a row is filled with zeros. */
#ifndef EV_PAIRS_H
#define EV_PAIRS_H

#include "ev_kernels.h"

/* Two pixels times a tile of output channels. A step is two words, four values.
 * pixels: [step][2 words][2 pixels]; weight: blocks of three channels up to `end`, then blocks of two, each with its
 * biases, its multipliers, and its weights [step][2 words][channel]. */
struct ev_pairs {
    const uint32_t *pixels;
    const uint32_t *weight;
    const uint32_t *end; /* of the blocks of three */
    int32_t steps;
    int32_t twos; /* blocks of two */
    int32_t zero;
    float low, high; /* the clamp before the zero point is added */
    int32_t plain;   /* 1 when the clamp is [0, 255] and the zero point 0 */
    int32_t wide;    /* 1 when sums of 16-bit activations need 64 bits */
};

static inline uint32_t ev_four(const void *bytes) {
    uint32_t word;
    __builtin_memcpy(&word, bytes, sizeof word);
    return word;
}

static inline uint32_t ev_even_u8(uint32_t word) {
    return word & 0x00FF00FFu;
}

static inline uint32_t ev_odd_u8(uint32_t word) {
    return word >> 8 & 0x00FF00FFu;
}

#if defined(__ARM_FEATURE_DSP)
static inline uint32_t ev_even_s8(uint32_t word) {
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

static inline uint32_t ev_odd_s8(uint32_t word) {
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

static inline int32_t ev_dual(uint32_t a, uint32_t b, int32_t acc) {
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}
#else
static inline uint32_t ev_even_s8(uint32_t word) {
    uint32_t low = word & 0xFFu, high = word >> 16 & 0xFFu;
    return (((low ^ 0x80u) - 0x80u) & 0xFFFFu) | ((high ^ 0x80u) - 0x80u) << 16;
}

static inline uint32_t ev_odd_s8(uint32_t word) {
    return ev_even_s8(word >> 8);
}

static inline int32_t ev_dual(uint32_t a, uint32_t b, int32_t acc) {
    int32_t low = (int16_t)(a & 0xFFFFu) * (int16_t)(b & 0xFFFFu);
    int32_t high = (int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)acc + (uint32_t)low + (uint32_t)high);
}
#endif

/* Words that a row of `count` values takes. */
static inline int32_t ev_pairs_of(int32_t count) {
    return (count + 1) / 2;
}

/* The last one to three values of a row, placed so that the even bytes hold the first pair. */
static inline uint32_t ev_rest(const uint8_t *from, int32_t count) {
    uint32_t word = from[0];
    if (count == 2) {
        word |= (uint32_t)from[1] << 16;
    } else if (count == 3) {
        word |= (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16;
    }
    return word;
}

#define EV_WIDEN(type)                                                                                                 \
    static inline uint32_t *ev_widen_##type(const uint8_t *from, int32_t count, uint32_t *to, int32_t step) {          \
        for (; count >= 4; count -= 4) {                                                                               \
            uint32_t word = ev_four(from);                                                                             \
            to[0] = ev_even_##type(word);                                                                              \
            to[step] = ev_odd_##type(word);                                                                            \
            from += 4;                                                                                                 \
            to += 2 * step;                                                                                            \
        }                                                                                                              \
        if (count > 0) {                                                                                               \
            uint32_t word = ev_rest(from, count);                                                                      \
            to[0] = ev_even_##type(word);                                                                              \
            to += step;                                                                                                \
            if (count == 3) {                                                                                          \
                to[0] = ev_odd_##type(word);                                                                           \
                to += step;                                                                                            \
            }                                                                                                          \
        }                                                                                                              \
        return to;                                                                                                     \
    }

/* A row of `count` values to every `step`-th word from `to`; returns where the next row goes. */
EV_WIDEN(u8)
EV_WIDEN(s8)

#if defined(__ARM_FEATURE_DSP)
/* The same with a fixed step: eight values in seven cycles. */
#define EV_WIDEN_BY(name, type, extend, step, bytes, first, second, third, fourth)                                     \
    static inline uint32_t *name(const void *values, int32_t count, uint32_t *to) {                                    \
        const uint8_t *from = values;                                                                                  \
        if (count >= 8) {                                                                                              \
            int32_t eights = count / 8;                                                                                \
            uint32_t a, b, even, odd;                                                                                  \
            count %= 8;                                                                                                \
            __asm__ volatile("1:\n"                                                                                    \
                             "ldr %[a], [%[from]]\n"                                                                   \
                             "ldr %[b], [%[from], #4]\n"                                                               \
                             "subs %[eights], %[eights], #1\n"                                                         \
                             "add %[from], %[from], #8\n" extend " %[even], %[a]\n"                                    \
                             "add %[to], %[to], #" bytes "\n" extend " %[odd], %[a], ror #8\n"                         \
                             "str %[even], [%[to], #-" first "]\n" extend " %[even], %[b]\n"                           \
                             "str %[odd], [%[to], #-" second "]\n" extend " %[odd], %[b], ror #8\n"                    \
                             "str %[even], [%[to], #-" third "]\n"                                                     \
                             "str %[odd], [%[to], #-" fourth "]\n"                                                     \
                             "bne 1b\n"                                                                                \
                             : [from] "+r"(from), [to] "+r"(to), [eights] "+r"(eights), [a] "=&r"(a), [b] "=&r"(b),    \
                               [even] "=&r"(even), [odd] "=&r"(odd)                                                    \
                             :                                                                                         \
                             : "cc", "memory");                                                                        \
        }                                                                                                              \
        return count > 0 ? ev_widen_##type(from, count, to, step) : to;                                                \
    }
#else
#define EV_WIDEN_BY(name, type, extend, step, bytes, first, second, third, fourth)                                     \
    static inline uint32_t *name(const void *values, int32_t count, uint32_t *to) {                                    \
        return ev_widen_##type(values, count, to, step);                                                               \
    }
#endif
#define EV_WIDEN_PIXEL(type, extend) EV_WIDEN_BY(ev_widen_pixel_##type, type, extend, 2, "32", "32", "24", "16", "8")
#define EV_WIDEN_THREES(type, extend) EV_WIDEN_BY(ev_widen_threes_##type, type, extend, 3, "48", "48", "36", "24", "12")

/* 16-bit values in the same order. */
static inline uint32_t *ev_widen_pixel_s16(const int16_t *from, int32_t count, uint32_t *to) {
    for (; count >= 4; count -= 4) {
        const uint32_t ab = ev_four(from), cd = ev_four(from + 2);
        to[0] = (ab & 0xFFFFu) | cd << 16;
        to[2] = ab >> 16 | (cd & 0xFFFF0000u);
        from += 4;
        to += 4;
    }
    if (count > 0) {
        const int16_t last = count == 1 ? 0 : from[count - 1];
        to[0] = (uint16_t)from[0] | (uint32_t)(uint16_t)last << 16;
        to += 2;
        if (count == 3) {
            to[0] = (uint16_t)from[1];
            to += 2;
        }
    }
    return to;
}

EV_WIDEN_PIXEL(u8, "uxtb16")
EV_WIDEN_PIXEL(s8, "sxtb16")
EV_WIDEN_THREES(s8, "sxtb16")

#endif
