/* Integer additions. The including file defines EV_A and EV_B, the input types.
 *
 * ONNX defines the sum as dequantise, add, quantise, with a true division at the end. Here it is computed in integers,
 * as a * ratio_a + b * ratio_b with 20 bits behind the point. Ratios are off by half a unit at most, so sums by
 * 255 * 2^-20, and the float32 formula itself by less than 2^-13 wherever it is not clamped: both round to the same
 * integer unless the sum lies within EV_NEAR units of a tie. Only then the formula itself decides. */
#ifndef EV_ADD_VALUES_H
#define EV_ADD_VALUES_H

#include "ev_requantise.h"

#define EV_POINT 20
enum { EV_NEAR = 1 << 9, EV_FRACTION = (1 << EV_POINT) - 2 * EV_NEAR };

typedef struct {
    uint32_t ratio_a, ratio_b;
    uint32_t offset; /* zero points, the lower clamp, and one half to round */
    int32_t span;    /* from the lower to the upper clamp */
} ev_fixed_sum;

static inline uint8_t exact_sum(const ev_add *layer, EV_A a, EV_B b) {
    const float sum = (float)(a - layer->zero_a) * layer->scale_a + (float)(b - layer->zero_b) * layer->scale_b;
    return ev_saturate(sum / layer->scale, layer->zero, layer->low, layer->high);
}

static inline ev_fixed_sum fixed_of(const ev_add *layer) {
    const double unit = (double)(1 << EV_POINT) / (double)layer->scale;
    ev_fixed_sum fixed;
    fixed.ratio_a = (uint32_t)((double)layer->scale_a * unit + 0.5);
    fixed.ratio_b = (uint32_t)((double)layer->scale_b * unit + 0.5);
    fixed.offset = (uint32_t)(layer->zero - layer->low) * (1u << EV_POINT) + (1u << (EV_POINT - 1)) -
                   fixed.ratio_a * (uint32_t)layer->zero_a - fixed.ratio_b * (uint32_t)layer->zero_b;
    fixed.span = layer->high - layer->low;
    return fixed;
}

static inline uint32_t sum_of(const ev_fixed_sum *fixed, EV_A a, EV_B b) {
    return (uint32_t)b * fixed->ratio_b + ((uint32_t)a * fixed->ratio_a + fixed->offset);
}

static inline int is_near_a_tie(uint32_t sum) {
    return ((sum + EV_NEAR) & EV_FRACTION) == 0;
}

/* The whole part of a sum, within [0, 255]. */
static inline int32_t whole_of(uint32_t sum) {
#if defined(__ARM_FEATURE_DSP)
    int32_t whole;
    __asm__("usat %0, #8, %1, asr #20" : "=r"(whole) : "r"(sum));
    return whole;
#else
    const int32_t whole = (int32_t)sum >> EV_POINT;
    return whole < 0 ? 0 : whole > 255 ? 255 : whole;
#endif
}

/* A layer made ready. It is a copy: the output may lie anywhere, even over the layer for all a compiler knows. */
typedef struct {
    ev_add layer;
    ev_fixed_sum fixed;
    int fits; /* no sum leaves 32 bits */
} ev_adder;

static inline ev_adder adder_of(const ev_add *layer) {
    ev_adder adder = {.layer = *layer, .fits = layer->scale_a + layer->scale_b < 4.0f * layer->scale};
    if (adder.fits) {
        adder.fixed = fixed_of(layer);
    }
    return adder;
}

/* Values [first, last) of all. */
static inline void add_values(const ev_adder *adder, const EV_A *a, const EV_B *b, int32_t first, int32_t last,
                              uint8_t *output) {
    const ev_add l = adder->layer;
    int32_t i = first;
    if (adder->fits) {
        const ev_fixed_sum fixed = adder->fixed;
        for (; i + 4 <= last; i += 4) {
            const uint32_t s0 = sum_of(&fixed, a[i], b[i]), s1 = sum_of(&fixed, a[i + 1], b[i + 1]);
            const uint32_t s2 = sum_of(&fixed, a[i + 2], b[i + 2]), s3 = sum_of(&fixed, a[i + 3], b[i + 3]);
            int32_t y0 = whole_of(s0), y1 = whole_of(s1), y2 = whole_of(s2), y3 = whole_of(s3);
            if (is_near_a_tie(s0) || is_near_a_tie(s1) || is_near_a_tie(s2) || is_near_a_tie(s3)) {
                const uint8_t made[4] = {exact_sum(&l, a[i], b[i]), exact_sum(&l, a[i + 1], b[i + 1]),
                                         exact_sum(&l, a[i + 2], b[i + 2]), exact_sum(&l, a[i + 3], b[i + 3])};
                __builtin_memcpy(output + i, made, 4);
                continue;
            }
            if (fixed.span < 255) {
                y0 = y0 < fixed.span ? y0 : fixed.span;
                y1 = y1 < fixed.span ? y1 : fixed.span;
                y2 = y2 < fixed.span ? y2 : fixed.span;
                y3 = y3 < fixed.span ? y3 : fixed.span;
            }
            output[i] = (uint8_t)(y0 + l.low);
            output[i + 1] = (uint8_t)(y1 + l.low);
            output[i + 2] = (uint8_t)(y2 + l.low);
            output[i + 3] = (uint8_t)(y3 + l.low);
        }
    }
    for (; i < last; i++) {
        output[i] = exact_sum(&l, a[i], b[i]);
    }
}

#endif
