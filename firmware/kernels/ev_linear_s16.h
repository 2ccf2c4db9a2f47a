/* Sums of the fully connected layers on 16-bit activations: four outputs at a time share an input; 64-bit sums, which
 * take two registers each, go one by one. */
#ifndef EV_LINEAR_S16_H
#define EV_LINEAR_S16_H

#include "ev_pairs.h"
#include "ev_wide.h"

static void sum_four(const int8_t *weight, const int16_t *input, int32_t inputs, const int32_t *bias, int32_t *acc) {
    const int8_t *w0 = weight, *w1 = w0 + inputs, *w2 = w1 + inputs, *w3 = w2 + inputs;
    int32_t a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3], i = 0;
    for (; i + 4 <= inputs; i += 4) {
        const uint32_t ab = ev_four(input + i), cd = ev_four(input + i + 2);
        const uint32_t even = (ab & 0xFFFFu) | cd << 16, odd = ab >> 16 | (cd & 0xFFFF0000u);
        const uint32_t b0 = ev_four(w0 + i), b1 = ev_four(w1 + i), b2 = ev_four(w2 + i), b3 = ev_four(w3 + i);
        a0 = ev_dual(odd, ev_odd_s8(b0), ev_dual(even, ev_even_s8(b0), a0));
        a1 = ev_dual(odd, ev_odd_s8(b1), ev_dual(even, ev_even_s8(b1), a1));
        a2 = ev_dual(odd, ev_odd_s8(b2), ev_dual(even, ev_even_s8(b2), a2));
        a3 = ev_dual(odd, ev_odd_s8(b3), ev_dual(even, ev_even_s8(b3), a3));
    }
    for (; i < inputs; i++) {
        a0 += input[i] * w0[i];
        a1 += input[i] * w1[i];
        a2 += input[i] * w2[i];
        a3 += input[i] * w3[i];
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
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

/* The sums of the next outputs from `first` on, as floats: four of them while `outputs` lasts, else one; how many. */
static int32_t next_sums(const int8_t *weight, const int32_t *bias, int32_t inputs, int32_t outputs, int32_t first,
                         int32_t wide, const int16_t *input, float *sums) {
    const int8_t *from = weight + first * inputs;
    if (!wide && first + 4 <= outputs) {
        int32_t acc[4];
        sum_four(from, input, inputs, bias + first, acc);
        for (int32_t k = 0; k < 4; k++) {
            sums[k] = (float)acc[k];
        }
        return 4;
    }
    sums[0] = ev_float_of(sum_wide(from, input, inputs, bias[first]));
    return 1;
}

#endif
