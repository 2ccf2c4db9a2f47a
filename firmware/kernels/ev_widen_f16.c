/* Weights stored as IEEE half precision, widened to float32: no value is rounded. */
#include "ev_kernels.h"

static inline float widened(uint16_t half) {
#if defined(__arm__) && defined(__ARM_FP)
    float result, bits;
    const uint32_t word = half;
    __builtin_memcpy(&bits, &word, sizeof bits);
    __asm__("vcvtb.f32.f16 %0, %1" : "=t"(result) : "t"(bits));
    return result;
#else
    /* The exponent's offset is 127 instead of 15; as a product, halves below the normal ones are right, too. */
    const uint32_t magnitude = (uint32_t)(half & 0x7FFFu) << 13, sign = (uint32_t)(half & 0x8000u) << 16;
    float scaled;
    uint32_t bits;
    __builtin_memcpy(&scaled, &magnitude, sizeof scaled);
    scaled *= 0x1p112f;
    __builtin_memcpy(&bits, &scaled, sizeof bits);
    bits |= sign;
    __builtin_memcpy(&scaled, &bits, sizeof scaled);
    return scaled;
#endif
}

void ev_widen_f16(int32_t size, const uint16_t *weight, float *output) {
    for (int32_t i = 0; i < size; i++) {
        output[i] = widened(weight[i]);
    }
}
