/* Two output pixels times a tile of output channels: dot products of widened values, then requantised bytes.
 *
 * On the M7 the inner loop keeps 2 x 3 sums in registers and issues one SMLAD and one load in every cycle: 12 cycles
 * for 24 multiplications. Each load is placed at least two cycles before its use; compilers do not find this order. */
#include "ev_pairs.h"
#include "ev_requantise.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP)

_Static_assert(__builtin_offsetof(struct ev_pairs, bias) == 8, "the assembly below reads struct ev_pairs");
_Static_assert(__builtin_offsetof(struct ev_pairs, threes) == 20, "the assembly below reads struct ev_pairs");
_Static_assert(__builtin_offsetof(struct ev_pairs, plain) == 40, "the assembly below reads struct ev_pairs");

/* Stack: the work in progress. */
#define FIRST "[sp, #0]"
#define SECOND "[sp, #4]"
#define PIXELS "[sp, #8]"
#define BIAS "[sp, #12]"
#define MULTIPLIER "[sp, #16]"
#define STEPS "[sp, #20]"
#define LEFT "[sp, #24]"
#define TWOS "[sp, #28]"
#define ZERO "[sp, #32]"
#define PLAIN "[sp, #36]"

/* Sums of a block of three: pixel 0 in r8, r9, r10, pixel 1 in r11, r12, lr. r0: pixels, r1: weights, r2: steps left,
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
                                                      EV_IN_REGISTER uint8_t *first, EV_IN_REGISTER uint8_t *second) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "sub sp, sp, #44\n"
        "str r1, " FIRST "\n"
        "str r2, " SECOND "\n"
        "ldr r3, [r0, #8]\n"
        "ldr r4, [r0, #12]\n"
        "ldr r5, [r0, #16]\n"
        "ldr r6, [r0, #20]\n"
        "str r3, " BIAS "\n"
        "str r4, " MULTIPLIER "\n"
        "ldr r7, [r0, #24]\n"
        "str r5, " STEPS "\n"
        "ldr r3, [r0, #28]\n"
        "str r6, " LEFT "\n"
        "ldr r4, [r0, #40]\n"
        "str r7, " TWOS "\n"
        "vldr s14, [r0, #32]\n"
        "vldr s15, [r0, #36]\n"
        "str r3, " ZERO "\n"
        "ldr r1, [r0, #4]\n"
        "ldr r2, [r0]\n"
        "str r4, " PLAIN "\n"
        "str r2, " PIXELS "\n"
        "cmp r6, #0\n"
        "beq 5f\n"

        /* --- blocks of three --- */
        "1:\n"
        "ldr r3, " BIAS "\n"
        "ldr r0, " PIXELS "\n"
        "ldr r2, " STEPS "\n"
        "ldr r8, [r3]\n"
        "ldr r9, [r3, #4]\n"
        "ldr r10, [r3, #8]\n"
        "adds r3, r3, #12\n"
        "ldr r5, [r1]\n"
        "str r3, " BIAS "\n"
        "ldr r3, [r0]\n"
        "mov r11, r8\n"
        "ldr r6, [r1, #4]\n"
        "mov r12, r9\n"
        "mov lr, r10\n"
        ".balign 8\n"
        "2:\n" SUM_THREES "bne 2b\n"
        "ldr r3, " MULTIPLIER "\n"
        "ldr r4, " FIRST "\n"
        "vmov s0, s1, r8, r9\n"
        "ldr r5, " SECOND "\n"
        "vmov s2, s3, r10, r11\n"
        "ldr r6, " PLAIN "\n"
        "vmov s4, s5, r12, lr\n"
        "vldr s8, [r3]\n"
        "vcvt.f32.s32 s0, s0\n"
        "vldr s9, [r3, #4]\n"
        "vcvt.f32.s32 s1, s1\n"
        "vldr s10, [r3, #8]\n"
        "vcvt.f32.s32 s2, s2\n"
        "adds r3, r3, #12\n"
        "vcvt.f32.s32 s3, s3\n"
        "str r3, " MULTIPLIER "\n"
        "vcvt.f32.s32 s4, s4\n"
        "adds r3, r4, #3\n"
        "vcvt.f32.s32 s5, s5\n"
        "str r3, " FIRST "\n"
        "vmul.f32 s0, s0, s8\n"
        "adds r3, r5, #3\n"
        "vmul.f32 s1, s1, s9\n"
        "str r3, " SECOND "\n"
        "vmul.f32 s2, s2, s10\n"
        "ldr r7, " LEFT "\n"
        "vmul.f32 s3, s3, s8\n"
        "cmp r6, #0\n"
        "vmul.f32 s4, s4, s9\n"
        "vmul.f32 s5, s5, s10\n"
        "beq 3f\n"
        "vcvtr.s32.f32 s0, s0\n"
        "vcvtr.s32.f32 s1, s1\n"
        "vcvtr.s32.f32 s2, s2\n"
        "vcvtr.s32.f32 s3, s3\n"
        "vmov r8, r9, s0, s1\n"
        "vcvtr.s32.f32 s4, s4\n"
        "vcvtr.s32.f32 s5, s5\n"
        "usat r8, #8, r8\n"
        "vmov r10, r11, s2, s3\n"
        "usat r9, #8, r9\n"
        "strb r8, [r4]\n"
        "usat r10, #8, r10\n"
        "vmov r12, lr, s4, s5\n"
        "usat r11, #8, r11\n"
        "strb r9, [r4, #1]\n"
        "usat r12, #8, r12\n"
        "strb r10, [r4, #2]\n"
        "usat lr, #8, lr\n"
        "strb r11, [r5]\n"
        "subs r7, r7, #1\n"
        "strb r12, [r5, #1]\n"
        "str r7, " LEFT "\n"
        "strb lr, [r5, #2]\n"
        "bne 1b\n"
        "b 5f\n"
        "3:\n"
        "vmaxnm.f32 s0, s0, s14\n"
        "ldr r6, " ZERO "\n"
        "vmaxnm.f32 s1, s1, s14\n"
        "vmaxnm.f32 s2, s2, s14\n"
        "vmaxnm.f32 s3, s3, s14\n"
        "vmaxnm.f32 s4, s4, s14\n"
        "vmaxnm.f32 s5, s5, s14\n"
        "vminnm.f32 s0, s0, s15\n"
        "vminnm.f32 s1, s1, s15\n"
        "vminnm.f32 s2, s2, s15\n"
        "vminnm.f32 s3, s3, s15\n"
        "vminnm.f32 s4, s4, s15\n"
        "vminnm.f32 s5, s5, s15\n"
        "vcvtr.s32.f32 s0, s0\n"
        "vcvtr.s32.f32 s1, s1\n"
        "vcvtr.s32.f32 s2, s2\n"
        "vcvtr.s32.f32 s3, s3\n"
        "vmov r8, r9, s0, s1\n"
        "vcvtr.s32.f32 s4, s4\n"
        "vcvtr.s32.f32 s5, s5\n"
        "add r8, r8, r6\n"
        "vmov r10, r11, s2, s3\n"
        "add r9, r9, r6\n"
        "strb r8, [r4]\n"
        "add r10, r10, r6\n"
        "vmov r12, lr, s4, s5\n"
        "add r11, r11, r6\n"
        "strb r9, [r4, #1]\n"
        "add r12, r12, r6\n"
        "strb r10, [r4, #2]\n"
        "add lr, lr, r6\n"
        "strb r11, [r5]\n"
        "subs r7, r7, #1\n"
        "strb r12, [r5, #1]\n"
        "str r7, " LEFT "\n"
        "strb lr, [r5, #2]\n"
        "bne 1b\n"

        /* --- blocks of two --- */
        "5:\n"
        "ldr r7, " TWOS "\n"
        "cmp r7, #0\n"
        "beq 9f\n"
        "6:\n"
        "ldr r3, " BIAS "\n"
        "ldr r0, " PIXELS "\n"
        "ldr r2, " STEPS "\n"
        "ldr r8, [r3]\n"
        "ldr r9, [r3, #4]\n"
        "adds r3, r3, #8\n"
        "ldr r5, [r1]\n"
        "str r3, " BIAS "\n"
        "ldr r3, [r0]\n"
        "mov r11, r8\n"
        "ldr r6, [r1, #4]\n"
        "mov r12, r9\n"
        ".balign 8\n"
        "7:\n" SUM_TWOS "bne 7b\n"
        "ldr r3, " MULTIPLIER "\n"
        "ldr r4, " FIRST "\n"
        "vmov s0, s1, r8, r9\n"
        "ldr r5, " SECOND "\n"
        "vmov s2, s3, r11, r12\n"
        "vldr s8, [r3]\n"
        "vldr s9, [r3, #4]\n"
        "vcvt.f32.s32 s0, s0\n"
        "ldr r6, " ZERO "\n"
        "vcvt.f32.s32 s1, s1\n"
        "adds r3, r3, #8\n"
        "vcvt.f32.s32 s2, s2\n"
        "str r3, " MULTIPLIER "\n"
        "vcvt.f32.s32 s3, s3\n"
        "adds r3, r4, #2\n"
        "vmul.f32 s0, s0, s8\n"
        "str r3, " FIRST "\n"
        "vmul.f32 s1, s1, s9\n"
        "adds r3, r5, #2\n"
        "vmul.f32 s2, s2, s8\n"
        "str r3, " SECOND "\n"
        "vmul.f32 s3, s3, s9\n"
        "ldr r7, " TWOS "\n"
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
        "strb r8, [r4]\n"
        "add r9, r9, r6\n"
        "strb r9, [r4, #1]\n"
        "add r11, r11, r6\n"
        "strb r11, [r5]\n"
        "add r12, r12, r6\n"
        "subs r7, r7, #1\n"
        "strb r12, [r5, #1]\n"
        "str r7, " TWOS "\n"
        "bne 6b\n"
        "9:\n"
        "add sp, sp, #44\n"
        "pop {r4-r11, pc}\n");
}
#else
static void multiply(const struct ev_pairs *work, uint8_t *first, uint8_t *second) {
    const uint32_t *weight = work->weight;
    const int32_t channels = 3 * work->threes + 2 * work->twos;
    for (int32_t c = 0, width = 3; c < channels; c += width) {
        width = c < 3 * work->threes ? 3 : 2;
        for (int32_t k = 0; k < width; k++) {
            int32_t a = work->bias[c + k], b = a;
            for (int32_t i = 0; i < 2 * work->steps; i++) {
                a = ev_dual(work->pixels[2 * i], weight[i * width + k], a);
                b = ev_dual(work->pixels[2 * i + 1], weight[i * width + k], b);
            }
            const float scale = work->multiplier[c + k];
            const int32_t low = (int32_t)work->low, high = (int32_t)work->high;
            first[c + k] = ev_saturate((float)a * scale, work->zero, low + work->zero, high + work->zero);
            second[c + k] = ev_saturate((float)b * scale, work->zero, low + work->zero, high + work->zero);
        }
        weight += 2 * work->steps * width;
    }
}
#endif

void ev_multiply_pairs(const struct ev_pairs *work, uint8_t *first, uint8_t *second) {
    if (work->threes + work->twos > 0) {
        multiply(work, first, second);
        return;
    }
    int32_t a = work->bias[0], b = a; /* the only channel of a layer */
    for (int32_t i = 0; i < 2 * work->steps; i++) {
        a = ev_dual(work->pixels[2 * i], work->weight[2 * i], a);
        b = ev_dual(work->pixels[2 * i + 1], work->weight[2 * i], b);
    }
    const int32_t low = work->zero + (int32_t)work->low, high = work->zero + (int32_t)work->high;
    first[0] = ev_saturate((float)a * work->multiplier[0], work->zero, low, high);
    second[0] = ev_saturate((float)b * work->multiplier[0], work->zero, low, high);
}
