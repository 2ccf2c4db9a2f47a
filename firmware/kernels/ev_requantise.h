/* The one rounding step of integer layers: float32 to an 8-bit or 16-bit value, round half to even. */
#ifndef EV_REQUANTISE_H
#define EV_REQUANTISE_H

#include "ev_kernels.h"

/* Round half to even. On the M7 one VCVTR instruction, which saturates. Elsewhere adding and taking away 1.5 * 2^23
 * leaves no fraction bits; exact below 2^22, and larger values end at the clamp anyway. */
static inline int32_t ev_round(float value) {
#if defined(__arm__) && defined(__ARM_FP)
    float bits;
    int32_t result;
    __asm__("vcvtr.s32.f32 %0, %1" : "=t"(bits) : "t"(value));
    __builtin_memcpy(&result, &bits, sizeof result);
    return result;
#else
    const float magic = 12582912.0f;
    float limited = value < -65536.0f ? -65536.0f : value > 65536.0f ? 65536.0f : value;
    float rounded = limited + magic;
    return (int32_t)(rounded - magic);
#endif
}

/* The larger and the smaller of two numbers, neither of them NaN. */
static inline float ev_larger(float a, float b) {
#if defined(__arm__) && defined(__ARM_FP)
    float result;
    __asm__("vmaxnm.f32 %0, %1, %2" : "=t"(result) : "t"(a), "t"(b));
    return result;
#else
    return a > b ? a : b;
#endif
}

static inline float ev_smaller(float a, float b) {
#if defined(__arm__) && defined(__ARM_FP)
    float result;
    __asm__("vminnm.f32 %0, %1, %2" : "=t"(result) : "t"(a), "t"(b));
    return result;
#else
    return a < b ? a : b;
#endif
}

/* Clamps before adding the zero point, so that a saturated conversion cannot overflow. */
static inline int32_t ev_limit(float value, int32_t zero, int32_t low, int32_t high) {
    int32_t rounded = ev_round(value);
    if (rounded < low - zero) {
        rounded = low - zero;
    }
    if (rounded > high - zero) {
        rounded = high - zero;
    }
    return rounded + zero;
}

static inline uint8_t ev_saturate(float value, int32_t zero, int32_t low, int32_t high) {
    return (uint8_t)ev_limit(value, zero, low, high);
}

static inline uint8_t ev_requantise(const ev_requant *out, int32_t channel, int32_t accumulator) {
    return ev_saturate((float)accumulator * out->multiplier[channel], out->zero, out->low, out->high);
}

#endif
