/* Sums of the integer fully connected layers. The including file defines EV_INPUT, EV_EVEN and EV_ODD, which widen four
 * values of that type, and EV_EXTEND, the instruction that does it.
 *
 * Every weight is used once, so both factors are widened on the way. Three outputs share an input: on the M7 eight
 * inputs take 20 cycles. The order of instructions in EV_EIGHT was found by search. */
#ifndef EV_LINEAR_INTEGER_H
#define EV_LINEAR_INTEGER_H

#include "ev_pairs.h"

__attribute__((noinline)) static int32_t sum_one(const int8_t *weight, const EV_INPUT *input, int32_t count,
                                                 int32_t acc) {
    for (; count >= 4; count -= 4) {
        const uint32_t x = ev_four(input), w = ev_four(weight);
        acc = ev_dual(EV_EVEN(x), ev_even_s8(w), acc);
        acc = ev_dual(EV_ODD(x), ev_odd_s8(w), acc);
        input += 4;
        weight += 4;
    }
    for (int32_t i = 0; i < count; i++) {
        acc += input[i] * weight[i];
    }
    return acc;
}

#if defined(__ARM_FEATURE_DSP)
/* r0: inputs, r1: weights of the first output, r2: bytes to the next output's, r3: eights left, r8 to r10: sums. */
#define EV_EIGHT                                                                                                       \
    "ldr r4, [r0], #4\n"                                                                                               \
    "ldr r7, [r1, r2]\n" EV_EXTEND " r6, r4, ror #8\n"                                                                 \
    "ldr r12, [r1, r2, lsl #1]\n" EV_EXTEND " r5, r4\n"                                                                \
    "ldr r4, [r1], #4\n"                                                                                               \
    "sxtb16 r11, r7\n"                                                                                                 \
    "subs r3, r3, #1\n"                                                                                                \
    "sxtb16 r7, r7, ror #8\n"                                                                                          \
    "smlad r9, r5, r11, r9\n"                                                                                          \
    "sxtb16 lr, r12\n"                                                                                                 \
    "smlad r9, r6, r7, r9\n"                                                                                           \
    "sxtb16 r7, r4\n"                                                                                                  \
    "ldr r11, [r0], #4\n"                                                                                              \
    "sxtb16 r4, r4, ror #8\n"                                                                                          \
    "smlad r10, r5, lr, r10\n"                                                                                         \
    "sxtb16 r12, r12, ror #8\n"                                                                                        \
    "smlad r8, r5, r7, r8\n" EV_EXTEND " r5, r11\n"                                                                    \
    "smlad r10, r6, r12, r10\n"                                                                                        \
    "ldr r12, [r1, r2]\n"                                                                                              \
    "smlad r8, r6, r4, r8\n" EV_EXTEND " r6, r11, ror #8\n"                                                            \
    "ldr r4, [r1, r2, lsl #1]\n"                                                                                       \
    "sxtb16 lr, r12\n"                                                                                                 \
    "ldr r11, [r1], #4\n"                                                                                              \
    "sxtb16 r7, r4\n"                                                                                                  \
    "smlad r9, r5, lr, r9\n"                                                                                           \
    "sxtb16 r12, r12, ror #8\n"                                                                                        \
    "smlad r10, r5, r7, r10\n"                                                                                         \
    "sxtb16 r4, r4, ror #8\n"                                                                                          \
    "smlad r9, r6, r12, r9\n"                                                                                          \
    "sxtb16 r12, r11\n"                                                                                                \
    "smlad r10, r6, r4, r10\n"                                                                                         \
    "sxtb16 r11, r11, ror #8\n"                                                                                        \
    "smlad r8, r5, r12, r8\n"                                                                                          \
    "smlad r8, r6, r11, r8\n"

#define EV_IN_REGISTER __attribute__((unused))
/* Sums of three outputs at a time from acc[0] on; the last three end at `last` + 2, over those before them if need be.
 * Stack: inputs, weights of this three, number of eights, bytes from a sum to its bias. */
__attribute__((naked, noinline)) static void sum_eights(EV_IN_REGISTER const EV_INPUT *input,
                                                        EV_IN_REGISTER const int8_t *weight,
                                                        EV_IN_REGISTER int32_t stride, EV_IN_REGISTER int32_t eights,
                                                        EV_IN_REGISTER const int32_t *bias, EV_IN_REGISTER int32_t *acc,
                                                        EV_IN_REGISTER int32_t *last) {
    __asm__ volatile("push {r4-r11, lr}\n"
                     "sub sp, sp, #20\n"
                     "ldr r5, [sp, #56]\n"
                     "ldr r4, [sp, #60]\n"
                     "str r0, [sp]\n"
                     "sub r5, r5, r4\n"
                     "str r1, [sp, #4]\n"
                     "str r3, [sp, #8]\n"
                     "str r5, [sp, #12]\n"
                     "1:\n"
                     "add r4, r4, r5\n"
                     "ldr r8, [r4]\n"
                     "ldr r9, [r4, #4]\n"
                     "ldr r10, [r4, #8]\n"
                     "2:\n" EV_EIGHT "bne 2b\n"
                     "ldr r4, [sp, #60]\n"
                     "ldr r7, [sp, #64]\n"
                     "ldr r1, [sp, #4]\n"
                     "add r6, r2, r2, lsl #1\n"
                     "str r8, [r4]\n"
                     "cmp r4, r7\n"
                     "str r9, [r4, #4]\n"
                     "add r1, r1, r6\n"
                     "str r10, [r4, #8]\n"
                     "beq 4f\n"
                     "add r4, r4, #12\n"
                     "ldr r0, [sp]\n"
                     "ldr r3, [sp, #8]\n"
                     "subs r6, r4, r7\n"
                     "ldr r5, [sp, #12]\n"
                     "ittt gt\n"
                     "lsrgt r6, r6, #2\n"
                     "mlsgt r1, r6, r2, r1\n"
                     "movgt r4, r7\n"
                     "str r4, [sp, #60]\n"
                     "str r1, [sp, #4]\n"
                     "b 1b\n"
                     "4:\n"
                     "add sp, sp, #20\n"
                     "pop {r4-r11, pc}\n");
}

/* The sums of `outputs` neighbouring outputs, at least three. */
static void sum_many(const int8_t *weight, const int32_t *bias, const EV_INPUT *input, int32_t inputs, int32_t outputs,
                     int32_t *acc) {
    const int32_t done = inputs & ~7;
    if (done > 0) {
        sum_eights(input, weight, inputs, done / 8, bias, acc, acc + outputs - 3);
        bias = acc;
    }
    for (int32_t k = 0; k < outputs && done < inputs; k++) {
        acc[k] = sum_one(weight + k * inputs + done, input + done, inputs - done, bias[k]);
    }
}
#else
static void sum_many(const int8_t *weight, const int32_t *bias, const EV_INPUT *input, int32_t inputs, int32_t outputs,
                     int32_t *acc) {
    for (int32_t k = 0; k < outputs; k++) {
        acc[k] = sum_one(weight + k * inputs, input, inputs, bias[k]);
    }
}
#endif

enum { EV_TOGETHER = 12 };

/* Sums of the next outputs after `done`, or of the last three again when fewer are left: fills acc[EV_TOGETHER] from
 * output *first on and returns how many, three or more unless the layer has fewer than three. */
static int32_t next_sums(const int8_t *weight, const int32_t *bias, int32_t inputs, int32_t outputs, int32_t done,
                         const EV_INPUT *input, int32_t *acc, int32_t *first) {
    const int32_t left = outputs - done;
    const int32_t count = left >= EV_TOGETHER ? EV_TOGETHER : left >= 3 ? left : outputs >= 3 ? 3 : 1;
    *first = left >= count ? done : outputs - count;
    weight += *first * inputs;
    if (count > 1) {
        sum_many(weight, bias + *first, input, inputs, count, acc);
    } else {
        acc[0] = sum_one(weight, input, inputs, bias[*first]);
    }
    return count;
}

#endif
