/* Sums of the fully connected layers on 16-bit activations: three outputs at a time share an input; 64-bit sums, which
 * take two registers each, go one by one. */
#ifndef EV_LINEAR_S16_H
#define EV_LINEAR_S16_H

#include "ev_pairs.h"
#include "ev_wide.h"

/* Sums of three outputs over whole fours of inputs, added to acc. */
static inline void sum_three(const int8_t *weight, const int16_t *input, int32_t stride, int32_t fours, int32_t *acc) {
#if defined(__ARM_FEATURE_DSP)
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2];
    uint32_t ab, cd, even, w0, w1, w2;
    __asm__("1:\n"
            "ldr %[ab], [%[input]], #4\n"
            "ldr %[cd], [%[input]], #4\n"
            "ldr %[w1], [%[weight], %[stride]]\n"
            "ldr %[w2], [%[weight], %[stride], lsl #1]\n"
            "pkhbt %[even], %[ab], %[cd], lsl #16\n"
            "ldr %[w0], [%[weight]], #4\n"
            "pkhtb %[cd], %[cd], %[ab], asr #16\n"
            "sxtb16 %[ab], %[w1]\n"
            "subs %[fours], %[fours], #1\n"
            "smlad %[a1], %[even], %[ab], %[a1]\n"
            "sxtb16 %[w1], %[w1], ror #8\n"
            "sxtb16 %[ab], %[w2]\n"
            "smlad %[a1], %[cd], %[w1], %[a1]\n"
            "sxtb16 %[w2], %[w2], ror #8\n"
            "smlad %[a2], %[even], %[ab], %[a2]\n"
            "sxtb16 %[ab], %[w0]\n"
            "smlad %[a2], %[cd], %[w2], %[a2]\n"
            "sxtb16 %[w0], %[w0], ror #8\n"
            "smlad %[a0], %[even], %[ab], %[a0]\n"
            "smlad %[a0], %[cd], %[w0], %[a0]\n"
            "bne 1b\n"
            : [input] "+r"(input), [weight] "+r"(weight), [fours] "+r"(fours), [a0] "+r"(a0), [a1] "+r"(a1),
              [a2] "+r"(a2), [ab] "=&r"(ab), [cd] "=&r"(cd), [even] "=&r"(even), [w0] "=&r"(w0), [w1] "=&r"(w1),
              [w2] "=&r"(w2)
            : [stride] "r"(stride)
            : "cc", "memory");
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
#else
    for (int32_t k = 0; k < 3; k++) {
        for (int32_t i = 0; i < 4 * fours; i++) {
            acc[k] += input[i] * weight[k * stride + i];
        }
    }
#endif
}

static int64_t sum_wide(const int8_t *weight, const int16_t *input, int32_t inputs, int64_t acc) {
    int32_t i = 0;
    for (; i + 4 <= inputs; i += 4) {
        const uint32_t ab = ev_four(input + i), cd = ev_four(input + i + 2), word = ev_four(weight + i);
        acc = ev_dual_wide((ab & 0xFFFFu) | cd << 16, ev_even_s8(word), acc);
        acc = ev_dual_wide(ab >> 16 | (cd & 0xFFFF0000u), ev_odd_s8(word), acc);
    }
    for (; i < inputs; i++) {
        acc += input[i] * weight[i];
    }
    return acc;
}

/* Sums of three outputs as floats, or of one: of the last three again when fewer are left after `done`. Returns how
 * many, from output *first on. */
static int32_t next_sums(const int8_t *weight, const int32_t *bias, int32_t inputs, int32_t outputs, int32_t done,
                         int32_t wide, const int16_t *input, float *sums, int32_t *first) {
    if (wide || outputs < 3) {
        *first = done;
        sums[0] = ev_float_of(sum_wide(weight + done * inputs, input, inputs, bias[done]));
        return 1;
    }
    const int32_t o = done + 3 <= outputs ? done : outputs - 3, fours = inputs / 4;
    const int8_t *from = weight + o * inputs;
    int32_t acc[3] = {bias[o], bias[o + 1], bias[o + 2]};
    if (fours > 0) {
        sum_three(from, input, inputs, fours, acc);
    }
    for (int32_t k = 0; k < 3; k++) {
        for (int32_t i = 4 * fours; i < inputs; i++) {
            acc[k] += input[i] * from[k * inputs + i];
        }
        sums[k] = (float)acc[k];
    }
    *first = o;
    return 3;
}

#endif
