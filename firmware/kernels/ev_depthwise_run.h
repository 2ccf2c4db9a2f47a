/* Four channels of a 3x3 depthwise convolution at a time, along a row of pixels.
 *
 * The including file defines EV_INPUT and EV_EXTEND. On the M7 a block of four takes 65 cycles for 36 multiplications:
 * every cycle issues two instructions, as the requantisation of one block runs beside the multiplications of the next.
 * The order of instructions in EV_QUAD was found by search over all orders that compute the same. */
#ifndef EV_DEPTHWISE_RUN_H
#define EV_DEPTHWISE_RUN_H

#include "ev_pairs.h"
#include "ev_requantise.h"

enum { EV_FOUR_WORDS = 26 }; /* constants of four channels: 18 words of weights, 4 biases, 4 multipliers */

typedef struct {
    const uint8_t *rows[3];    /* the upper left tap of the first pixel, and those below it */
    int32_t channels;          /* bytes between neighbouring pixels */
    const uint32_t *constants; /* [block][EV_FOUR_WORDS] */
    const uint32_t *end;       /* of the constants */
    uint8_t *out;
    uint8_t *nowhere; /* four bytes that may be written */
    int32_t pixels;
    int32_t in_step, out_step; /* from the end of one pixel's blocks to the next pixel, in bytes */
    float low, high;           /* the clamp before the zero point is added */
    float magic;               /* 1.5 * 2^23: added, it rounds to integers in the low bits */
    float zero;
} ev_depthwise_run;

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP)

_Static_assert(__builtin_offsetof(ev_depthwise_run, out) == 24, "the assembly below reads ev_depthwise_run");
_Static_assert(__builtin_offsetof(ev_depthwise_run, low) == 44, "the assembly below reads ev_depthwise_run");

/* One block. r0, r1, r2: rows of taps, r12: bytes between taps, lr: constants, r8 to r11: sums. s0 to s3 hold the sums
 * of the block before, s8 to s11 its multipliers. Stack: where that block goes, where this one goes, end of constants.
 */
#define EV_QUAD                                                                                                        \
    "vcvt.f32.s32 s1, s1\n"                                                                                            \
    "ldr r3, [r0, r12]\n"                                                                                              \
    "ldr r6, [lr, #8]\n"                                                                                               \
    "vcvt.f32.s32 s3, s3\n"                                                                                            \
    "ldr r7, [lr, #12]\n"                                                                                              \
    "vcvt.f32.s32 s0, s0\n"                                                                                            \
    "ldr r8, [lr, #72]\n"                                                                                              \
    "vmul.f32 s1, s1, s9\n" EV_EXTEND " r4, r3\n"                                                                      \
    "ldr r10, [lr, #80]\n" EV_EXTEND " r5, r3, ror #8\n"                                                               \
    "ldr r9, [lr, #76]\n"                                                                                              \
    "smlabb r8, r4, r6, r8\n"                                                                                          \
    "ldr r3, [r0, r12, lsl #1]\n"                                                                                      \
    "smlatt r10, r4, r6, r10\n"                                                                                        \
    "ldr r11, [lr, #84]\n"                                                                                             \
    "smlatt r11, r5, r7, r11\n"                                                                                        \
    "ldr r6, [lr, #16]\n"                                                                                              \
    "smlabb r9, r5, r7, r9\n"                                                                                          \
    "vmul.f32 s0, s0, s8\n" EV_EXTEND " r4, r3\n"                                                                      \
    "vcvt.f32.s32 s2, s2\n"                                                                                            \
    "vmul.f32 s3, s3, s11\n"                                                                                           \
    "smlabb r8, r4, r6, r8\n" EV_EXTEND " r5, r3, ror #8\n"                                                            \
    "ldr r3, [r0], #4\n"                                                                                               \
    "smlatt r10, r4, r6, r10\n"                                                                                        \
    "ldr r7, [lr, #20]\n"                                                                                              \
    "ldr r6, [lr, #0]\n"                                                                                               \
    "vmul.f32 s2, s2, s10\n" EV_EXTEND " r4, r3\n"                                                                     \
    "smlatt r11, r5, r7, r11\n"                                                                                        \
    "smlabb r9, r5, r7, r9\n"                                                                                          \
    "ldr r7, [lr, #4]\n" EV_EXTEND " r5, r3, ror #8\n"                                                                 \
    "ldr r3, [r1, r12]\n"                                                                                              \
    "smlabb r9, r5, r7, r9\n"                                                                                          \
    "vmaxnm.f32 s1, s1, s4\n"                                                                                          \
    "vmaxnm.f32 s0, s0, s4\n"                                                                                          \
    "smlatt r11, r5, r7, r11\n"                                                                                        \
    "ldr r7, [lr, #36]\n"                                                                                              \
    "smlatt r10, r4, r6, r10\n"                                                                                        \
    "vldr s11, [lr, #100]\n"                                                                                           \
    "smlabb r8, r4, r6, r8\n" EV_EXTEND " r4, r3\n"                                                                    \
    "vmaxnm.f32 s3, s3, s4\n" EV_EXTEND " r5, r3, ror #8\n"                                                            \
    "ldr r6, [lr, #32]\n"                                                                                              \
    "smlabb r9, r5, r7, r9\n"                                                                                          \
    "vminnm.f32 s0, s0, s5\n"                                                                                          \
    "ldr r3, [r1, r12, lsl #1]\n"                                                                                      \
    "smlatt r11, r5, r7, r11\n"                                                                                        \
    "smlabb r8, r4, r6, r8\n"                                                                                          \
    "ldr r7, [lr, #44]\n" EV_EXTEND " r5, r3, ror #8\n"                                                                \
    "smlatt r10, r4, r6, r10\n" EV_EXTEND " r4, r3\n"                                                                  \
    "ldr r6, [lr, #40]\n"                                                                                              \
    "vminnm.f32 s1, s1, s5\n"                                                                                          \
    "smlabb r9, r5, r7, r9\n"                                                                                          \
    "smlabb r8, r4, r6, r8\n"                                                                                          \
    "ldr r3, [r1], #4\n"                                                                                               \
    "vadd.f32 s0, s0, s6\n"                                                                                            \
    "smlatt r11, r5, r7, r11\n" EV_EXTEND " r5, r3, ror #8\n"                                                          \
    "ldr r7, [lr, #28]\n"                                                                                              \
    "smlatt r10, r4, r6, r10\n"                                                                                        \
    "vminnm.f32 s3, s3, s5\n" EV_EXTEND " r4, r3\n"                                                                    \
    "ldr r6, [lr, #24]\n"                                                                                              \
    "smlatt r11, r5, r7, r11\n"                                                                                        \
    "ldr r3, [r2, r12]\n"                                                                                              \
    "smlatt r10, r4, r6, r10\n"                                                                                        \
    "vmaxnm.f32 s2, s2, s4\n"                                                                                          \
    "smlabb r8, r4, r6, r8\n"                                                                                          \
    "vadd.f32 s3, s3, s6\n"                                                                                            \
    "smlabb r9, r5, r7, r9\n"                                                                                          \
    "vadd.f32 s0, s0, s7\n" EV_EXTEND " r5, r3, ror #8\n"                                                              \
    "ldr r6, [lr, #56]\n"                                                                                              \
    "vadd.f32 s1, s1, s6\n"                                                                                            \
    "ldr r7, [lr, #60]\n" EV_EXTEND " r4, r3\n"                                                                        \
    "vldr s9, [lr, #92]\n"                                                                                             \
    "vminnm.f32 s2, s2, s5\n"                                                                                          \
    "smlatt r11, r5, r7, r11\n"                                                                                        \
    "vldr s8, [lr, #88]\n"                                                                                             \
    "smlatt r10, r4, r6, r10\n"                                                                                        \
    "ldr r3, [r2, r12, lsl #1]\n"                                                                                      \
    "smlabb r8, r4, r6, r8\n"                                                                                          \
    "smlabb r9, r5, r7, r9\n"                                                                                          \
    "vadd.f32 s3, s3, s7\n" EV_EXTEND " r5, r3, ror #8\n"                                                              \
    "ldr r6, [lr, #64]\n" EV_EXTEND " r4, r3\n"                                                                        \
    "ldr r7, [lr, #68]\n"                                                                                              \
    "smlabb r8, r4, r6, r8\n"                                                                                          \
    "ldr r3, [r2], #4\n"                                                                                               \
    "vadd.f32 s2, s2, s6\n"                                                                                            \
    "smlatt r10, r4, r6, r10\n"                                                                                        \
    "vldr s10, [lr, #96]\n"                                                                                            \
    "smlatt r11, r5, r7, r11\n" EV_EXTEND " r4, r3\n"                                                                  \
    "ldr r6, [lr, #48]\n"                                                                                              \
    "vadd.f32 s2, s2, s7\n"                                                                                            \
    "smlabb r9, r5, r7, r9\n" EV_EXTEND " r5, r3, ror #8\n"                                                            \
    "smlabb r8, r4, r6, r8\n"                                                                                          \
    "vadd.f32 s1, s1, s7\n"                                                                                            \
    "ldr r7, [lr, #52]\n"                                                                                              \
    "smlatt r10, r4, r6, r10\n"                                                                                        \
    "ldr r3, [sp, #0]\n"                                                                                               \
    "ldr r6, [sp, #4]\n"                                                                                               \
    "smlabb r9, r5, r7, r9\n"                                                                                          \
    "smlatt r11, r5, r7, r11\n"                                                                                        \
    "vmov r4, r5, s0, s1\n"                                                                                            \
    "vmov s0, s1, r8, r9\n"                                                                                            \
    "strb r4, [r3]\n"                                                                                                  \
    "ldr r7, [sp, #8]\n"                                                                                               \
    "strb r5, [r3, #1]\n"                                                                                              \
    "str r6, [sp, #0]\n"                                                                                               \
    "vmov r4, r5, s2, s3\n"                                                                                            \
    "strb r4, [r3, #2]\n"                                                                                              \
    "add lr, lr, #104\n"                                                                                               \
    "strb r5, [r3, #3]\n"                                                                                              \
    "add r6, r6, #4\n"                                                                                                 \
    "vmov s2, s3, r10, r11\n"                                                                                          \
    "cmp lr, r7\n"                                                                                                     \
    "str r6, [sp, #4]\n"

#define EV_IN_REGISTER __attribute__((unused))
__attribute__((naked, noinline)) static void run_fours(EV_IN_REGISTER const ev_depthwise_run *run) {
    __asm__ volatile("push {r4-r11, lr}\n"
                     "sub sp, sp, #28\n"
                     "ldr r1, [r0, #28]\n"
                     "ldr r2, [r0, #24]\n"
                     "ldr r3, [r0, #20]\n"
                     "ldr lr, [r0, #16]\n"
                     "ldr r4, [r0, #36]\n"
                     "ldr r5, [r0, #40]\n"
                     "ldr r6, [r0, #32]\n"
                     "str r1, [sp, #0]\n"
                     "str r2, [sp, #4]\n"
                     "str r3, [sp, #8]\n"
                     "str lr, [sp, #12]\n"
                     "str r4, [sp, #16]\n"
                     "str r5, [sp, #20]\n"
                     "str r6, [sp, #24]\n"
                     "vldr s4, [r0, #44]\n"
                     "vldr s5, [r0, #48]\n"
                     "vldr s6, [r0, #52]\n"
                     "vldr s7, [r0, #56]\n"
                     "ldr r12, [r0, #12]\n"
                     "ldr r1, [r0, #4]\n"
                     "ldr r2, [r0, #8]\n"
                     "ldr r0, [r0]\n"
                     ".balign 8\n"
                     "1:\n" EV_QUAD "bne 1b\n"
                     "ldr r3, [sp, #24]\n"
                     "ldr r4, [sp, #16]\n"
                     "subs r3, r3, #1\n"
                     "ldr r5, [sp, #4]\n"
                     "ldr r6, [sp, #20]\n"
                     "add r0, r0, r4\n"
                     "add r1, r1, r4\n"
                     "ldr lr, [sp, #12]\n"
                     "add r2, r2, r4\n"
                     "add r5, r5, r6\n"
                     "str r3, [sp, #24]\n"
                     "str r5, [sp, #4]\n"
                     "bne 1b\n"
                     "ldr r3, [sp, #0]\n"
                     "vcvt.f32.s32 s0, s0\n"
                     "vcvt.f32.s32 s1, s1\n"
                     "vcvt.f32.s32 s2, s2\n"
                     "vcvt.f32.s32 s3, s3\n"
                     "vmul.f32 s0, s0, s8\n"
                     "vmul.f32 s1, s1, s9\n"
                     "vmul.f32 s2, s2, s10\n"
                     "vmul.f32 s3, s3, s11\n"
                     "vmaxnm.f32 s0, s0, s4\n"
                     "vmaxnm.f32 s1, s1, s4\n"
                     "vmaxnm.f32 s2, s2, s4\n"
                     "vmaxnm.f32 s3, s3, s4\n"
                     "vminnm.f32 s0, s0, s5\n"
                     "vminnm.f32 s1, s1, s5\n"
                     "vminnm.f32 s2, s2, s5\n"
                     "vminnm.f32 s3, s3, s5\n"
                     "vadd.f32 s0, s0, s6\n"
                     "vadd.f32 s1, s1, s6\n"
                     "vadd.f32 s2, s2, s6\n"
                     "vadd.f32 s3, s3, s6\n"
                     "vadd.f32 s0, s0, s7\n"
                     "vadd.f32 s1, s1, s7\n"
                     "vadd.f32 s2, s2, s7\n"
                     "vadd.f32 s3, s3, s7\n"
                     "vmov r4, r5, s0, s1\n"
                     "vmov r6, r7, s2, s3\n"
                     "strb r4, [r3]\n"
                     "strb r5, [r3, #1]\n"
                     "strb r6, [r3, #2]\n"
                     "strb r7, [r3, #3]\n"
                     "add sp, sp, #28\n"
                     "pop {r4-r11, pc}\n");
}
#else
static void run_fours(const ev_depthwise_run *run) {
    const int32_t zero = (int32_t)run->zero, low = (int32_t)run->low + zero, high = (int32_t)run->high + zero;
    const int32_t width = 4 * (int32_t)((run->end - run->constants) / EV_FOUR_WORDS);
    for (int32_t pixel = 0; pixel < run->pixels; pixel++) {
        const int32_t from = pixel * (run->in_step + width);
        uint8_t *out = run->out + pixel * (run->out_step + width);
        for (int32_t c = 0; c < width; c++) {
            const uint32_t *constants = run->constants + c / 4 * EV_FOUR_WORDS;
            int32_t acc = (int32_t)constants[18 + c % 4];
            for (int32_t tap = 0; tap < 9; tap++) {
                const uint32_t pair = constants[2 * tap + c % 2];
                const int16_t weight = (int16_t)(pair >> (c % 4 / 2 * 16) & 0xFFFFu);
                const uint8_t *place = run->rows[tap / 3] + from + tap % 3 * run->channels + c;
                acc += weight * *(const EV_INPUT *)place;
            }
            float multiplier;
            __builtin_memcpy(&multiplier, constants + 22 + c % 4, sizeof multiplier);
            out[c] = ev_saturate((float)acc * multiplier, zero, low, high);
        }
    }
}
#endif

#endif
