/* Two output pixels times a tile of output channels: dot products of widened values, then requantised values. The
 * including file defines EV_OUTPUT, their type, and EV_STORE and EV_STEP, the instruction that stores one and its size.
 *
 * On the M7 the inner loop keeps 2 x 3 sums in registers and issues one SMLAD and one load in every cycle: 12 cycles
 * for 24 multiplications. Each load is placed at least two cycles before its use; compilers do not find this order. The
 * order of NEXT_PLAIN and NEXT_ANY, which end one block and begin the next, was found by search. */
#ifndef EV_MULTIPLY_PAIRS_H
#define EV_MULTIPLY_PAIRS_H

#include "ev_pairs.h"
#include "ev_requantise.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP)

_Static_assert(__builtin_offsetof(struct ev_pairs, steps) == 12, "the assembly below reads struct ev_pairs");
_Static_assert(__builtin_offsetof(struct ev_pairs, plain) == 32, "the assembly below reads struct ev_pairs");

/* Stack, from sp: where the bytes of either pixel go, pixels, steps, end of the blocks of three, zero point, blocks of
 * two left. s14, s15: the clamp.
 *
 * Sums of a block of three: pixel 0 in r8, r9, r10, pixel 1 in r11, r12, lr. r0: pixels, r1: weights, r2: steps left,
 * r3, r4: a pair of each pixel, r5, r6, r7: a pair of each channel. */
#define SUM_THREES                                                                                                     \
    "smlad r8, r3, r5, r8\n"                                                                                           \
    "ldr r7, [r1, #8]\n"                                                                                               \
    "smlad r9, r3, r6, r9\n"                                                                                           \
    "ldr r4, [r0, #4]\n"                                                                                               \
    "smlad r10, r3, r7, r10\n"                                                                                         \
    "ldr r3, [r0, #8]\n"                                                                                               \
    "smlad lr, r4, r7, lr\n"                                                                                           \
    "ldr r7, [r1, #20]\n"                                                                                              \
    "smlad r12, r4, r6, r12\n"                                                                                         \
    "ldr r6, [r1, #16]\n"                                                                                              \
    "smlad r11, r4, r5, r11\n"                                                                                         \
    "ldr r5, [r1, #12]\n"                                                                                              \
    "smlad r10, r3, r7, r10\n"                                                                                         \
    "ldr r4, [r0, #12]\n"                                                                                              \
    "smlad r9, r3, r6, r9\n"                                                                                           \
    "subs r2, r2, #1\n"                                                                                                \
    "smlad r8, r3, r5, r8\n"                                                                                           \
    "ldr r3, [r0, #16]!\n"                                                                                             \
    "smlad r11, r4, r5, r11\n"                                                                                         \
    "ldr r5, [r1, #24]!\n"                                                                                             \
    "smlad r12, r4, r6, r12\n"                                                                                         \
    "ldr r6, [r1, #4]\n"                                                                                               \
    "smlad lr, r4, r7, lr\n"

/* Requantises a block of three to [0, 255], stores it, and loads what the next one starts with; s8 to s10 hold the
 * multipliers. Behind the last block it reads what follows in the scratch. */
#define NEXT_PLAIN                                                                                                     \
    "vmov s2, s3, r10, r11\n"                                                                                          \
    "vmov s0, s1, r8, r9\n"                                                                                            \
    "ldr r5, [sp, #16]\n"                                                                                              \
    "vmov s4, s5, r12, lr\n"                                                                                           \
    "ldr r0, [sp, #8]\n"                                                                                               \
    "vcvt.f32.s32 s3, s3\n"                                                                                            \
    "vcvt.f32.s32 s1, s1\n"                                                                                            \
    "vcvt.f32.s32 s0, s0\n"                                                                                            \
    "ldr r7, [sp, #4]\n"                                                                                               \
    "vmul.f32 s3, s3, s8\n"                                                                                            \
    "vcvt.f32.s32 s5, s5\n"                                                                                            \
    "vmul.f32 s0, s0, s8\n"                                                                                            \
    "ldr r2, [sp, #12]\n"                                                                                              \
    "vmul.f32 s1, s1, s9\n"                                                                                            \
    "vcvt.f32.s32 s2, s2\n"                                                                                            \
    "vldr s8, [r1, #12]\n"                                                                                             \
    "vcvt.f32.s32 s4, s4\n"                                                                                            \
    "vcvtr.s32.f32 s1, s1\n"                                                                                           \
    "vcvtr.s32.f32 s0, s0\n"                                                                                           \
    "ldr r4, [sp, #0]\n"                                                                                               \
    "cmp r1, r5\n"                                                                                                     \
    "vmul.f32 s4, s4, s9\n"                                                                                            \
    "vmul.f32 s2, s2, s10\n"                                                                                           \
    "vldr s9, [r1, #16]\n"                                                                                             \
    "vmov r8, r9, s0, s1\n"                                                                                            \
    "usat r8, #8, r8\n"                                                                                                \
    "vmul.f32 s5, s5, s10\n"                                                                                           \
    "usat r9, #8, r9\n"                                                                                                \
    "vcvtr.s32.f32 s3, s3\n"                                                                                           \
    EV_STORE " r8, [r4], " EV_STEP "\n"                                                                                \
    "vcvtr.s32.f32 s2, s2\n"                                                                                           \
    EV_STORE " r9, [r4], " EV_STEP "\n"                                                                                \
    "vcvtr.s32.f32 s5, s5\n"                                                                                           \
    "vcvtr.s32.f32 s4, s4\n"                                                                                           \
    "vldr s10, [r1, #20]\n"                                                                                            \
    "ldr r9, [r1, #4]\n"                                                                                               \
    "vmov r10, r11, s2, s3\n"                                                                                          \
    "usat r10, #8, r10\n"                                                                                              \
    EV_STORE " r10, [r4], " EV_STEP "\n"                                                                               \
    "usat r11, #8, r11\n"                                                                                              \
    "ldr r8, [r1]\n"                                                                                                   \
    "str r4, [sp, #0]\n"                                                                                               \
    "vmov r12, lr, s4, s5\n"                                                                                           \
    "usat r12, #8, r12\n"                                                                                              \
    EV_STORE " r11, [r7], " EV_STEP "\n"                                                                               \
    "ldr r3, [r0]\n"                                                                                                   \
    "mov r11, r8\n"                                                                                                    \
    EV_STORE " r12, [r7], " EV_STEP "\n"                                                                               \
    "ldr r10, [r1, #8]\n"                                                                                              \
    "ldr r5, [r1, #24]!\n"                                                                                             \
    "mov r12, r9\n"                                                                                                    \
    "usat lr, #8, lr\n"                                                                                                \
    EV_STORE " lr, [r7], " EV_STEP "\n"                                                                                \
    "str r7, [sp, #4]\n"                                                                                               \
    "mov lr, r10\n"                                                                                                    \
    "ldr r6, [r1, #4]\n"

/* The same with any clamp and zero point. */
#define NEXT_ANY                                                                                                       \
    "vmov s0, s1, r8, r9\n"                                                                                            \
    "vmov s2, s3, r10, r11\n"                                                                                          \
    "vmov s4, s5, r12, lr\n"                                                                                           \
    "vcvt.f32.s32 s0, s0\n"                                                                                            \
    "vcvt.f32.s32 s1, s1\n"                                                                                            \
    "vcvt.f32.s32 s5, s5\n"                                                                                            \
    "vcvt.f32.s32 s4, s4\n"                                                                                            \
    "vmul.f32 s0, s0, s8\n"                                                                                            \
    "vmul.f32 s1, s1, s9\n"                                                                                            \
    "vcvt.f32.s32 s2, s2\n"                                                                                            \
    "vmaxnm.f32 s0, s0, s14\n"                                                                                         \
    "vmaxnm.f32 s1, s1, s14\n"                                                                                         \
    "vcvt.f32.s32 s3, s3\n"                                                                                            \
    "vmul.f32 s2, s2, s10\n"                                                                                           \
    "vminnm.f32 s1, s1, s15\n"                                                                                         \
    "vmul.f32 s4, s4, s9\n"                                                                                            \
    "vmul.f32 s3, s3, s8\n"                                                                                            \
    "ldr r2, [sp, #20]\n"                                                                                              \
    "ldr r4, [sp, #0]\n"                                                                                               \
    "vminnm.f32 s0, s0, s15\n"                                                                                         \
    "vmaxnm.f32 s2, s2, s14\n"                                                                                         \
    "vcvtr.s32.f32 s1, s1\n"                                                                                           \
    "ldr r5, [sp, #16]\n"                                                                                              \
    "vcvtr.s32.f32 s0, s0\n"                                                                                           \
    "ldr r0, [sp, #8]\n"                                                                                               \
    "cmp r1, r5\n"                                                                                                     \
    "vmul.f32 s5, s5, s10\n"                                                                                           \
    "vldr s10, [r1, #20]\n"                                                                                            \
    "vmaxnm.f32 s3, s3, s14\n"                                                                                         \
    "vmov r8, r9, s0, s1\n"                                                                                            \
    "vminnm.f32 s2, s2, s15\n"                                                                                         \
    "ldr r7, [sp, #4]\n"                                                                                               \
    "vminnm.f32 s3, s3, s15\n"                                                                                         \
    "vmaxnm.f32 s4, s4, s14\n"                                                                                         \
    "vmaxnm.f32 s5, s5, s14\n"                                                                                         \
    "vldr s9, [r1, #16]\n"                                                                                             \
    "vcvtr.s32.f32 s2, s2\n"                                                                                           \
    "add r8, r8, r2\n"                                                                                                 \
    "ldr r3, [r0]\n"                                                                                                   \
    "vcvtr.s32.f32 s3, s3\n"                                                                                           \
    "vminnm.f32 s5, s5, s15\n"                                                                                         \
    "add r9, r9, r2\n"                                                                                                 \
    "vminnm.f32 s4, s4, s15\n"                                                                                         \
    EV_STORE " r8, [r4], " EV_STEP "\n"                                                                                \
    EV_STORE " r9, [r4], " EV_STEP "\n"                                                                                \
    "vmov r10, r11, s2, s3\n"                                                                                          \
    "ldr r9, [r1, #4]\n"                                                                                               \
    "vcvtr.s32.f32 s5, s5\n"                                                                                           \
    "vcvtr.s32.f32 s4, s4\n"                                                                                           \
    "vldr s8, [r1, #12]\n"                                                                                             \
    "add r10, r10, r2\n"                                                                                               \
    "add r11, r11, r2\n"                                                                                               \
    EV_STORE " r10, [r4], " EV_STEP "\n"                                                                               \
    "ldr r8, [r1]\n"                                                                                                   \
    "ldr r10, [r1, #8]\n"                                                                                              \
    "vmov r12, lr, s4, s5\n"                                                                                           \
    "str r4, [sp, #0]\n"                                                                                               \
    "ldr r5, [r1, #24]!\n"                                                                                             \
    EV_STORE " r11, [r7], " EV_STEP "\n"                                                                               \
    "ldr r6, [r1, #4]\n"                                                                                               \
    "add lr, lr, r2\n"                                                                                                 \
    "add r12, r12, r2\n"                                                                                               \
    EV_STORE " r12, [r7], " EV_STEP "\n"                                                                               \
    "mov r11, r8\n"                                                                                                    \
    "mov r12, r9\n"                                                                                                    \
    EV_STORE " lr, [r7], " EV_STEP "\n"                                                                                \
    "str r7, [sp, #4]\n"                                                                                               \
    "ldr r2, [sp, #12]\n"                                                                                              \
    "mov lr, r10\n"

/* A block of two: pixel 0 in r8, r9, pixel 1 in r11, r12. */
#define SUM_TWOS                                                                                                       \
    "smlad r8, r3, r5, r8\n"                                                                                           \
    "ldr r4, [r0, #4]\n"                                                                                               \
    "smlad r9, r3, r6, r9\n"                                                                                           \
    "ldr r3, [r0, #8]\n"                                                                                               \
    "smlad r12, r4, r6, r12\n"                                                                                         \
    "ldr r6, [r1, #12]\n"                                                                                              \
    "smlad r11, r4, r5, r11\n"                                                                                         \
    "ldr r5, [r1, #8]\n"                                                                                               \
    "smlad r9, r3, r6, r9\n"                                                                                           \
    "ldr r4, [r0, #12]\n"                                                                                              \
    "smlad r8, r3, r5, r8\n"                                                                                           \
    "ldr r3, [r0, #16]!\n"                                                                                             \
    "smlad r11, r4, r5, r11\n"                                                                                         \
    "ldr r5, [r1, #16]!\n"                                                                                             \
    "smlad r12, r4, r6, r12\n"                                                                                         \
    "ldr r6, [r1, #4]\n"                                                                                               \
    "subs r2, r2, #1\n"

#define EV_IN_REGISTER __attribute__((unused))
__attribute__((naked, noinline)) static void multiply(EV_IN_REGISTER const struct ev_pairs *work,
                                                      EV_IN_REGISTER EV_OUTPUT *first,
                                                      EV_IN_REGISTER EV_OUTPUT *second) {
    __asm__ volatile("push {r4-r11, lr}\n"
                     "sub sp, sp, #28\n"
                     "str r1, [sp, #0]\n"
                     "str r2, [sp, #4]\n"
                     "ldr r3, [r0]\n"
                     "ldr r1, [r0, #4]\n"
                     "ldr r4, [r0, #8]\n"
                     "ldr r2, [r0, #12]\n"
                     "ldr r5, [r0, #16]\n"
                     "ldr r6, [r0, #20]\n"
                     "str r3, [sp, #8]\n"
                     "str r2, [sp, #12]\n"
                     "str r4, [sp, #16]\n"
                     "str r6, [sp, #20]\n"
                     "str r5, [sp, #24]\n"
                     "vldr s14, [r0, #24]\n"
                     "vldr s15, [r0, #28]\n"
                     "ldr r7, [r0, #32]\n"
                     "mov r0, r3\n"
                     "cmp r1, r4\n"
                     "beq 4f\n"
                     "ldr r8, [r1]\n"
                     "ldr r9, [r1, #4]\n"
                     "ldr r10, [r1, #8]\n"
                     "vldr s8, [r1, #12]\n"
                     "vldr s9, [r1, #16]\n"
                     "vldr s10, [r1, #20]\n"
                     "mov r11, r8\n"
                     "mov r12, r9\n"
                     "mov lr, r10\n"
                     "ldr r5, [r1, #24]!\n"
                     "cmp r7, #0\n"
                     "ldr r6, [r1, #4]\n"
                     "ldr r3, [r0]\n"
                     "beq 3f\n"
                     ".balign 8\n"
                     "2:\n" SUM_THREES "bne 2b\n" NEXT_PLAIN "bne 2b\n"
                     "b 4f\n"
                     ".balign 8\n"
                     "3:\n" SUM_THREES "bne 3b\n" NEXT_ANY "bne 3b\n"
                     "4:\n"
                     "ldr r7, [sp, #24]\n"
                     "ldr r1, [sp, #16]\n"
                     "cmp r7, #0\n"
                     "beq 9f\n"
                     "6:\n"
                     "ldr r8, [r1]\n"
                     "ldr r9, [r1, #4]\n"
                     "ldr r0, [sp, #8]\n"
                     "ldr r2, [sp, #12]\n"
                     "vldr s8, [r1, #8]\n"
                     "vldr s9, [r1, #12]\n"
                     "mov r11, r8\n"
                     "ldr r5, [r1, #16]!\n"
                     "mov r12, r9\n"
                     "ldr r3, [r0]\n"
                     "ldr r6, [r1, #4]\n"
                     ".balign 8\n"
                     "7:\n" SUM_TWOS "bne 7b\n"
                     "vmov s0, s1, r8, r9\n"
                     "ldr r4, [sp, #0]\n"
                     "vmov s2, s3, r11, r12\n"
                     "ldr r5, [sp, #4]\n"
                     "ldr r6, [sp, #20]\n"
                     "vcvt.f32.s32 s0, s0\n"
                     "ldr r7, [sp, #24]\n"
                     "vcvt.f32.s32 s1, s1\n"
                     "vcvt.f32.s32 s2, s2\n"
                     "subs r7, r7, #1\n"
                     "vcvt.f32.s32 s3, s3\n"
                     "str r7, [sp, #24]\n"
                     "vmul.f32 s0, s0, s8\n"
                     "vmul.f32 s1, s1, s9\n"
                     "vmul.f32 s2, s2, s8\n"
                     "vmul.f32 s3, s3, s9\n"
                     "vmaxnm.f32 s0, s0, s14\n"
                     "vmaxnm.f32 s1, s1, s14\n"
                     "vmaxnm.f32 s2, s2, s14\n"
                     "vmaxnm.f32 s3, s3, s14\n"
                     "vminnm.f32 s0, s0, s15\n"
                     "vminnm.f32 s1, s1, s15\n"
                     "vminnm.f32 s2, s2, s15\n"
                     "vminnm.f32 s3, s3, s15\n"
                     "vcvtr.s32.f32 s0, s0\n"
                     "vcvtr.s32.f32 s1, s1\n"
                     "vcvtr.s32.f32 s2, s2\n"
                     "vcvtr.s32.f32 s3, s3\n"
                     "vmov r8, r9, s0, s1\n"
                     "vmov r11, r12, s2, s3\n"
                     "add r8, r8, r6\n"
                     EV_STORE " r8, [r4], " EV_STEP "\n"
                     "add r9, r9, r6\n"
                     EV_STORE " r9, [r4], " EV_STEP "\n"
                     "add r11, r11, r6\n"
                     EV_STORE " r11, [r5], " EV_STEP "\n"
                     "add r12, r12, r6\n"
                     "str r4, [sp, #0]\n"
                     EV_STORE " r12, [r5], " EV_STEP "\n"
                     "str r5, [sp, #4]\n"
                     "bne 6b\n"
                     "9:\n"
                     "add sp, sp, #28\n"
                     "pop {r4-r11, pc}\n");
}
#else
static void multiply(const struct ev_pairs *work, EV_OUTPUT *first, EV_OUTPUT *second) {
    const uint32_t *block = work->weight;
    const int32_t low = work->zero + (int32_t)work->low, high = work->zero + (int32_t)work->high;
    const uint32_t *end = work->end + work->twos * 4 * (work->steps + 1);
    while (block < end) {
        const int32_t width = block < work->end ? 3 : 2;
        const uint32_t *weight = block + 2 * width;
        for (int32_t k = 0; k < width; k++) {
            int32_t a = (int32_t)block[k], b = a;
            float multiplier;
            __builtin_memcpy(&multiplier, block + width + k, sizeof multiplier);
            for (int32_t i = 0; i < 2 * work->steps; i++) {
                a = ev_dual(work->pixels[2 * i], weight[i * width + k], a);
                b = ev_dual(work->pixels[2 * i + 1], weight[i * width + k], b);
            }
            *first++ = (EV_OUTPUT)ev_limit((float)a * multiplier, work->zero, low, high);
            *second++ = (EV_OUTPUT)ev_limit((float)b * multiplier, work->zero, low, high);
        }
        block = weight + 2 * work->steps * width;
    }
}
#endif

/* As above; a layer of one channel has one block of two, half of it empty. */
static inline void ev_multiply(const struct ev_pairs *work, EV_OUTPUT *first, EV_OUTPUT *second) {
    if (work->end > work->weight || work->twos > 0) {
        multiply(work, first, second);
        return;
    }
    int32_t a = (int32_t)work->weight[0], b = a;
    float multiplier;
    __builtin_memcpy(&multiplier, work->weight + 2, sizeof multiplier);
    for (int32_t i = 0; i < 2 * work->steps; i++) {
        a = ev_dual(work->pixels[2 * i], work->weight[4 + 2 * i], a);
        b = ev_dual(work->pixels[2 * i + 1], work->weight[4 + 2 * i], b);
    }
    const int32_t low = work->zero + (int32_t)work->low, high = work->zero + (int32_t)work->high;
    *first = (EV_OUTPUT)ev_limit((float)a * multiplier, work->zero, low, high);
    *second = (EV_OUTPUT)ev_limit((float)b * multiplier, work->zero, low, high);
}

#endif
