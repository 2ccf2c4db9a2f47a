/* Weights stored as IEEE half precision, widened to float32: no value is rounded. */
#include "ev_kernels.h"

#if defined(__arm__) && defined(__ARM_FP)
/* The lower and the upper half of a word. */
static inline void widen_pair(uint32_t pair, float *output) {
    float halves, low, high;
    __builtin_memcpy(&halves, &pair, sizeof halves);
    __asm__("vcvtb.f32.f16 %0, %1" : "=t"(low) : "t"(halves));
    __asm__("vcvtt.f32.f16 %0, %1" : "=t"(high) : "t"(halves));
    output[0] = low;
    output[1] = high;
}
#else
static inline float widened(uint32_t half) {
    /* The exponent's offset is 127 instead of 15; as a product, halves below the normal ones are right, too. */
    uint32_t bits = (half & 0x7FFFu) << 13;
    float scaled;
    __builtin_memcpy(&scaled, &bits, sizeof scaled);
    scaled *= 0x1p112f;
    __builtin_memcpy(&bits, &scaled, sizeof bits);
    bits |= (half & 0x8000u) << 16;
    __builtin_memcpy(&scaled, &bits, sizeof scaled);
    return scaled;
}

static inline void widen_pair(uint32_t pair, float *output) {
    output[0] = widened(pair & 0xFFFFu);
    output[1] = widened(pair >> 16);
}
#endif

static inline uint32_t pair_at(const uint16_t *weight) {
    uint32_t pair;
    __builtin_memcpy(&pair, weight, sizeof pair);
    return pair;
}

/* Eight at a time, so that a conversion need not wait for the load before it. */
void ev_widen_f16(int32_t size, const uint16_t *weight, float *output) {
    int32_t i = 0;
    for (; i + 8 <= size; i += 8) {
        const uint32_t a = pair_at(weight + i), b = pair_at(weight + i + 2);
        const uint32_t c = pair_at(weight + i + 4), d = pair_at(weight + i + 6);
        widen_pair(a, output + i);
        widen_pair(b, output + i + 2);
        widen_pair(c, output + i + 4);
        widen_pair(d, output + i + 6);
    }
    for (; i < size; i++) {
        float last[2];
        widen_pair(weight[i], last);
        output[i] = last[0];
    }
}
