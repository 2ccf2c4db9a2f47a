/* All outputs of a site from its taps that are not zero: two products with each multiplication.
 *
 * A weight word times a tap is added to 64 bits: the even outputs' products, which are positive, stay in the low 24 bits,
 * as there are at most 257 taps of 255 * 255; the odd outputs' lie above. On the M7 a tap takes eight cycles for eight
 * products: the chain from a tap to its weights is as long, and the sums leave no register to start it earlier. */
#include "ev_nonzero.h"
#include "ev_requantise.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP)

_Static_assert(__builtin_offsetof(struct ev_nonzero, tiles) == 24, "the assembly below reads struct ev_nonzero");

/* r0: taps, r1: weights, r4 to r11: four sums of 64 bits, r3: a tap, r12: its weights, r2 and lr: weight words. */
#define SUM_TAPS                                                                                                       \
    "ldr r3, [r0], #4\n"                                                                                               \
    "movs r4, #0\n"                                                                                                    \
    "movs r5, #0\n"                                                                                                    \
    "movs r6, #0\n"                                                                                                    \
    "add r12, r1, r3, lsr #16\n"                                                                                       \
    "movs r7, #0\n"                                                                                                    \
    "uxtb r3, r3\n"                                                                                                    \
    "mov r8, r4\n"                                                                                                     \
    "ldr lr, [r12]\n"                                                                                                  \
    "mov r9, r4\n"                                                                                                     \
    "ldr r2, [r12, #4]\n"                                                                                              \
    "mov r10, r4\n"                                                                                                    \
    "cmp r3, #0\n"                                                                                                     \
    "mov r11, r4\n"                                                                                                    \
    "beq 2f\n"                                                                                                         \
    ".balign 8\n"                                                                                                      \
    "1:\n"                                                                                                             \
    "smlal r4, r5, lr, r3\n"                                                                                           \
    "ldr lr, [r12, #8]\n"                                                                                              \
    "smlal r6, r7, r2, r3\n"                                                                                           \
    "ldr r2, [r12, #12]\n"                                                                                             \
    "ldr r12, [r0], #4\n"                                                                                              \
    "smlal r8, r9, lr, r3\n"                                                                                           \
    "smlal r10, r11, r2, r3\n"                                                                                         \
    "add lr, r1, r12, lsr #16\n"                                                                                       \
    "cmp r12, #0\n"                                                                                                    \
    "uxtb r3, r12\n"                                                                                                   \
    "mov r12, lr\n"                                                                                                    \
    "ldr r2, [lr, #4]\n"                                                                                               \
    "ldr lr, [lr]\n"                                                                                                   \
    "bne 1b\n"                                                                                                         \
    "2:\n"

/* The sums of a pair, low and high word, to the even and the odd output's accumulator; r1 is written. */
#define SPLIT(low, high, even_bias, odd_bias)                                                                          \
    "lsr r1, " low ", #24\n"                                                                                           \
    "add " low ", " low ", " even_bias "\n"                                                                            \
    "orr " high ", r1, " high ", lsl #8\n"                                                                             \
    "sub " low ", " low ", r1, lsl #24\n"                                                                              \
    "add " high ", " high ", " odd_bias "\n"

/* Stack, from sp: taps, weights, step, constants, output, offset, tiles left. */
__attribute__((naked)) static void full_tiles(__attribute__((unused)) const struct ev_nonzero *site) {
    __asm__ volatile("push {r4-r11, lr}\n"
                     "sub sp, sp, #28\n"
                     "ldm r0, {r1-r7}\n"
                     "mov r0, sp\n"
                     "stm r0, {r1-r7}\n"
                     "5:\n"
                     "ldr r0, [sp]\n"
                     "ldr r1, [sp, #4]\n"
                     SUM_TAPS
                     "ldr r0, [sp, #12]\n"
                     "ldr r1, [sp, #20]\n"
                     "ldm r0!, {r2, r3, r12, lr}\n"
                     "sub r2, r2, r1\n"
                     "sub r12, r12, r1\n"
                     SPLIT("r4", "r5", "r2", "r3")
                     "vmov s0, s1, r4, r5\n"
                     SPLIT("r6", "r7", "r12", "lr")
                     "vmov s2, s3, r6, r7\n"
                     "ldr r1, [sp, #20]\n"
                     "vcvt.f32.s32 s0, s0\n"
                     "ldm r0!, {r2, r3, r12, lr}\n"
                     "vcvt.f32.s32 s1, s1\n"
                     "sub r2, r2, r1\n"
                     "vcvt.f32.s32 s2, s2\n"
                     "sub r12, r12, r1\n"
                     "vldm r0!, {s8-s15}\n"
                     "str r0, [sp, #12]\n"
                     "vcvt.f32.s32 s3, s3\n"
                     SPLIT("r8", "r9", "r2", "r3")
                     "vmul.f32 s0, s0, s8\n"
                     "vmul.f32 s1, s1, s9\n"
                     "vmov s4, s5, r8, r9\n"
                     SPLIT("r10", "r11", "r12", "lr")
                     "vmul.f32 s2, s2, s10\n"
                     "ldr r0, [sp, #16]\n"
                     "vmul.f32 s3, s3, s11\n"
                     "ldr r2, [sp, #4]\n"
                     "vmov s6, s7, r10, r11\n"
                     "ldr r3, [sp, #8]\n"
                     "vcvtr.s32.f32 s0, s0\n"
                     "ldr r12, [sp, #24]\n"
                     "vcvtr.s32.f32 s1, s1\n"
                     "add r2, r2, r3\n"
                     "vcvtr.s32.f32 s2, s2\n"
                     "str r2, [sp, #4]\n"
                     "vcvtr.s32.f32 s3, s3\n"
                     "subs r12, r12, #1\n"
                     "vcvt.f32.s32 s4, s4\n"
                     "str r12, [sp, #24]\n"
                     "vcvt.f32.s32 s5, s5\n"
                     "vmov r4, r5, s0, s1\n"
                     "vcvt.f32.s32 s6, s6\n"
                     "usat r4, #8, r4\n"
                     "vcvt.f32.s32 s7, s7\n"
                     "vmov r6, r7, s2, s3\n"
                     "usat r5, #8, r5\n"
                     "vmul.f32 s4, s4, s12\n"
                     "strb r4, [r0]\n"
                     "vmul.f32 s5, s5, s13\n"
                     "usat r6, #8, r6\n"
                     "strb r5, [r0, #1]\n"
                     "vmul.f32 s6, s6, s14\n"
                     "usat r7, #8, r7\n"
                     "strb r6, [r0, #2]\n"
                     "vmul.f32 s7, s7, s15\n"
                     "strb r7, [r0, #3]\n"
                     "vcvtr.s32.f32 s4, s4\n"
                     "vcvtr.s32.f32 s5, s5\n"
                     "vcvtr.s32.f32 s6, s6\n"
                     "vcvtr.s32.f32 s7, s7\n"
                     "vmov r8, r9, s4, s5\n"
                     "usat r8, #8, r8\n"
                     "usat r9, #8, r9\n"
                     "strb r8, [r0, #4]\n"
                     "vmov r10, r11, s6, s7\n"
                     "strb r9, [r0, #5]\n"
                     "usat r10, #8, r10\n"
                     "strb r10, [r0, #6]\n"
                     "usat r11, #8, r11\n"
                     "strb r11, [r0, #7]\n"
                     "add r0, r0, #8\n"
                     "str r0, [sp, #16]\n"
                     "bne 5b\n"
                     "add sp, sp, #28\n"
                     "pop {r4-r11, pc}\n");
}
#endif

/* One tile in C: the last one where it is not full, and all of them with another clamp. */
static void any_tile(const struct ev_nonzero *site, int32_t tile, int32_t outputs) {
    const uint32_t *weight = site->weight + tile * (int32_t)(site->step / 4);
    const uint32_t *bias = site->constants + 2 * EV_TILE * tile;
    uint64_t sums[EV_TILE_WORDS] = {0, 0, 0, 0};
    for (const uint32_t *tap = site->taps; *tap != 0; tap++) {
        const uint32_t *words = weight + (*tap >> 20) * EV_TILE_WORDS;
        for (int32_t k = 0; k < EV_TILE_WORDS; k++) {
            sums[k] += (uint64_t)((int64_t)(int32_t)words[k] * (int64_t)(*tap & 255u));
        }
    }
    for (int32_t k = 0; k < outputs; k++) {
        const uint64_t sum = sums[k / 2];
        const uint32_t part = k % 2 == 0 ? ((uint32_t)sum & 0xFFFFFFu) - site->offset : (uint32_t)(sum >> 24);
        float multiplier;
        __builtin_memcpy(&multiplier, bias + EV_TILE + k, sizeof multiplier);
        site->out[EV_TILE * tile + k] =
            ev_saturate((float)(int32_t)(part + bias[k]) * multiplier, site->zero, site->low, site->high);
    }
}

void ev_nonzero_site(const struct ev_nonzero *site) {
    int32_t tile = 0;
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP)
    if (site->plain && site->tiles > 0) {
        full_tiles(site);
        tile = site->tiles;
    }
#endif
    for (; tile < site->tiles; tile++) {
        any_tile(site, tile, EV_TILE);
    }
    if (site->outputs > 0) {
        any_tile(site, tile, site->outputs);
    }
}
