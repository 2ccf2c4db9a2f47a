/* Body of the integer additions. The including file defines EV_KERNEL, its name, and EV_A and EV_B, the input types.
 *
 * ONNX defines the sum as dequantise, add, quantise, with a true division at the end, which takes the M7 16 cycles.
 * Multiplying by the reciprocal instead is at most 1e-4 away from it wherever the result is not clamped (two roundings
 * of 2^-24 each, on values below 512), so it rounds to the same integer unless it lies within 1e-4 of a tie; only then
 * four values are computed again by division. */
#include "ev_requantise.h"

enum { EV_GROUP = 4 };

static inline float sum_of(const ev_add *layer, EV_A a, EV_B b) {
    return (float)(a - layer->zero_a) * layer->scale_a + (float)(b - layer->zero_b) * layer->scale_b;
}

void EV_KERNEL(const ev_add *layer, const EV_A *a, const EV_B *b, uint8_t *output) {
    const ev_add l = *layer; /* the output may lie anywhere, even over the layer for all a compiler knows */
    const float inverse = 1.0f / l.scale, magic = 12582912.0f; /* 1.5 * 2^23: added, it rounds to integers */
    const float low = (float)(l.low - l.zero), high = (float)(l.high - l.zero);
    int32_t i = 0;
    for (; i + EV_GROUP <= l.size; i += EV_GROUP) {
        float value[EV_GROUP], farthest = 0.0f;
        uint8_t made[EV_GROUP];
        for (int32_t k = 0; k < EV_GROUP; k++) {
            value[k] = ev_smaller(ev_larger(sum_of(&l, a[i + k], b[i + k]) * inverse, low), high);
        }
        for (int32_t k = 0; k < EV_GROUP; k++) {
            const float rounded = value[k] + magic;
            int32_t bits;
            __builtin_memcpy(&bits, &rounded, sizeof bits);
            made[k] = (uint8_t)(bits + l.zero);
            farthest = ev_larger(farthest, __builtin_fabsf(value[k] - (rounded - magic)));
        }
        for (int32_t k = 0; k < EV_GROUP && farthest > 0.4999f; k++) {
            made[k] = ev_saturate(sum_of(&l, a[i + k], b[i + k]) / l.scale, l.zero, l.low, l.high);
        }
        for (int32_t k = 0; k < EV_GROUP; k++) {
            output[i + k] = made[k];
        }
    }
    for (; i < l.size; i++) {
        output[i] = ev_saturate(sum_of(&l, a[i], b[i]) / l.scale, l.zero, l.low, l.high);
    }
}
