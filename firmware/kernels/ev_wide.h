/* Sums of 64 bits, for 16-bit activations in layers with many inputs. */
#ifndef EV_WIDE_H
#define EV_WIDE_H

#include <stdint.h>

/* Two products of 16-bit halves, added. */
static inline int64_t ev_dual_wide(uint32_t a, uint32_t b, int64_t acc) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t low = (uint32_t)acc, high = (uint32_t)((uint64_t)acc >> 32);
    __asm__("smlald %0, %1, %2, %3" : "+r"(low), "+r"(high) : "r"(a), "r"(b));
    return (int64_t)((uint64_t)high << 32 | low);
#else
    return acc + (int16_t)(a & 0xFFFFu) * (int16_t)(b & 0xFFFFu) + (int16_t)(a >> 16) * (int16_t)(b >> 16);
#endif
}

/* The nearest float, ties to even, of a sum below 2^53: exact as a double, which is then rounded once. */
static inline float ev_float_of(int64_t sum) {
    const double high = (double)(int32_t)((uint64_t)sum >> 32), low = (double)(uint32_t)sum;
    return (float)(high * 4294967296.0 + low);
}

#endif
