/* Body of the float convolutions. The including file defines EV_KERNEL, its name, EV_INPUT, the input's type, and
 * EV_FLOAT_INPUT where that is float.
 *
 * Each output adds its bias first and then the taps by row, column and channel; two pixels times four outputs at a time
 * hide the latency of the adder without changing any output's order. One kernel row of four filters at a time fits the
 * data cache, so weights in slow external flash are read once per layer instead of once per pixel. */
#include "ev_kernels.h"
#include "ev_taps.h"

static inline float rectify(float value, int32_t relu) {
    return relu && value < 0.0f ? 0.0f : value;
}

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP)
#ifdef EV_FLOAT_INPUT
#define EV_DOT8 dot8_fours
enum { EV_DOT8_TOGETHER = 4 };
/* The first `fours` times four taps of dot8 on float inputs. VMLA rounds the product and then the sum, as C does.
 * Loads come first: on the M7 they wait for three cycles behind a VMLA. Each sum is needed again eight instructions
 * later. */
static inline void dot8_fours(const float *x, const float *y, const float *w0, int32_t step, int32_t fours,
                              float *acc) {
    const float *w1 = w0 + step, *w2 = w1 + step, *w3 = w2 + step;
    __asm__ volatile("vldmia %[acc], {s0-s7}\n"
                     "1:\n"
                     "vldr d4, [%[x]]\n"
                     "vldr d6, [%[w0]]\n"
                     "vldr d5, [%[y]]\n"
                     "vldr d7, [%[w1]]\n"
                     "vldr d8, [%[w2]]\n"
                     "vldr d9, [%[w3]]\n"
                     "vldr d10, [%[x], #8]\n"
                     "vldr d12, [%[w0], #8]\n"
                     "vldr d11, [%[y], #8]\n"
                     "vldr d13, [%[w1], #8]\n"
                     "vldr d14, [%[w2], #8]\n"
                     "vldr d15, [%[w3], #8]\n"
                     "subs %[fours], %[fours], #1\n"
                     "vmla.f32 s0, s8, s12\n"
                     "vmla.f32 s4, s10, s12\n"
                     "vmla.f32 s1, s8, s14\n"
                     "vmla.f32 s5, s10, s14\n"
                     "vmla.f32 s2, s8, s16\n"
                     "vmla.f32 s6, s10, s16\n"
                     "vmla.f32 s3, s8, s18\n"
                     "vmla.f32 s7, s10, s18\n"
                     "vmla.f32 s0, s9, s13\n"
                     "vmla.f32 s4, s11, s13\n"
                     "vmla.f32 s1, s9, s15\n"
                     "vmla.f32 s5, s11, s15\n"
                     "vmla.f32 s2, s9, s17\n"
                     "vmla.f32 s6, s11, s17\n"
                     "vmla.f32 s3, s9, s19\n"
                     "vmla.f32 s7, s11, s19\n"
                     "vmla.f32 s0, s20, s24\n"
                     "vmla.f32 s4, s22, s24\n"
                     "vmla.f32 s1, s20, s26\n"
                     "vmla.f32 s5, s22, s26\n"
                     "vmla.f32 s2, s20, s28\n"
                     "vmla.f32 s6, s22, s28\n"
                     "vmla.f32 s3, s20, s30\n"
                     "vmla.f32 s7, s22, s30\n"
                     "vmla.f32 s0, s21, s25\n"
                     "vmla.f32 s4, s23, s25\n"
                     "vmla.f32 s1, s21, s27\n"
                     "vmla.f32 s5, s23, s27\n"
                     "vmla.f32 s2, s21, s29\n"
                     "vmla.f32 s6, s23, s29\n"
                     "vmla.f32 s3, s21, s31\n"
                     "vmla.f32 s7, s23, s31\n"
                     "add %[x], %[x], #16\n"
                     "add %[y], %[y], #16\n"
                     "add %[w0], %[w0], #16\n"
                     "add %[w1], %[w1], #16\n"
                     "add %[w2], %[w2], #16\n"
                     "add %[w3], %[w3], #16\n"
                     "bne 1b\n"
                     "vstmia %[acc], {s0-s7}\n"
                     : [x] "+r"(x), [y] "+r"(y), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3),
                       [fours] "+r"(fours)
                     : [acc] "r"(acc)
                     : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11",
                       "s12", "s13", "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24",
                       "s25", "s26", "s27", "s28", "s29", "s30", "s31");
}
#else
#define EV_DOT8 dot8_twos
enum { EV_DOT8_TOGETHER = 2 };
/* The first `twos` times two taps of dot8 on counts. */
static inline void dot8_twos(const uint8_t *x, const uint8_t *y, const float *w0, int32_t step, int32_t twos,
                             float *acc) {
    const float *w1 = w0 + step, *w2 = w1 + step, *w3 = w2 + step;
    uint32_t xs, ys, x0, y0;
    __asm__ volatile("vldmia %[acc], {s0-s7}\n"
                     "1:\n"
                     "ldrh %[xs], [%[x]], #2\n"
                     "ldrh %[ys], [%[y]], #2\n"
                     "vldr d8, [%[w0]]\n"
                     "uxtb %[x0], %[xs]\n"
                     "vldr d9, [%[w1]]\n"
                     "uxtb %[y0], %[ys]\n"
                     "vldr d10, [%[w2]]\n"
                     "lsr %[xs], %[xs], #8\n"
                     "vldr d11, [%[w3]]\n"
                     "lsr %[ys], %[ys], #8\n"
                     "vmov s8, s9, %[x0], %[y0]\n"
                     "add %[w0], %[w0], #8\n"
                     "vmov s10, s11, %[xs], %[ys]\n"
                     "add %[w1], %[w1], #8\n"
                     "vcvt.f32.u32 s8, s8\n"
                     "add %[w2], %[w2], #8\n"
                     "vcvt.f32.u32 s9, s9\n"
                     "add %[w3], %[w3], #8\n"
                     "vcvt.f32.u32 s10, s10\n"
                     "subs %[twos], %[twos], #1\n"
                     "vcvt.f32.u32 s11, s11\n"
                     "vmla.f32 s0, s8, s16\n"
                     "vmla.f32 s4, s9, s16\n"
                     "vmla.f32 s1, s8, s18\n"
                     "vmla.f32 s5, s9, s18\n"
                     "vmla.f32 s2, s8, s20\n"
                     "vmla.f32 s6, s9, s20\n"
                     "vmla.f32 s3, s8, s22\n"
                     "vmla.f32 s7, s9, s22\n"
                     "vmla.f32 s0, s10, s17\n"
                     "vmla.f32 s4, s11, s17\n"
                     "vmla.f32 s1, s10, s19\n"
                     "vmla.f32 s5, s11, s19\n"
                     "vmla.f32 s2, s10, s21\n"
                     "vmla.f32 s6, s11, s21\n"
                     "vmla.f32 s3, s10, s23\n"
                     "vmla.f32 s7, s11, s23\n"
                     "bne 1b\n"
                     "vstmia %[acc], {s0-s7}\n"
                     : [x] "+r"(x), [y] "+r"(y), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3),
                       [twos] "+r"(twos), [xs] "=&r"(xs), [ys] "=&r"(ys), [x0] "=&r"(x0), [y0] "=&r"(y0)
                     : [acc] "r"(acc)
                     : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s16",
                       "s17", "s18", "s19", "s20", "s21", "s22", "s23");
}
#endif
#endif

/* Adds `count` taps to four outputs of two pixels: acc[0..3] and acc[4..7]. */
static inline void dot8(const EV_INPUT *input, const EV_INPUT *next, const float *weight, int32_t step, int32_t count,
                        float *acc) {
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP)
    const int32_t done = EV_DOT8_TOGETHER * (count / EV_DOT8_TOGETHER);
    if (done > 0) {
        EV_DOT8(input, next, weight, step, count / EV_DOT8_TOGETHER, acc);
        input += done;
        next += done;
        weight += done;
        count -= done;
    }
#endif
    const float *w0 = weight, *w1 = weight + step, *w2 = w1 + step, *w3 = w2 + step;
    float a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3], b0 = acc[4], b1 = acc[5], b2 = acc[6], b3 = acc[7];
    for (int32_t i = 0; i < count; i++) {
        const float x = (float)input[i], y = (float)next[i];
        const float u0 = w0[i], u1 = w1[i], u2 = w2[i], u3 = w3[i];
        a0 += x * u0;
        b0 += y * u0;
        a1 += x * u1;
        b1 += y * u1;
        a2 += x * u2;
        b2 += y * u2;
        a3 += x * u3;
        b3 += y * u3;
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
    acc[4] = b0;
    acc[5] = b1;
    acc[6] = b2;
    acc[7] = b3;
}

static inline void dot4(const EV_INPUT *input, const float *weight, int32_t step, int32_t count, float *acc) {
    const float *w0 = weight, *w1 = weight + step, *w2 = w1 + step, *w3 = w2 + step;
    float a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (int32_t i = 0; i < count; i++) {
        float x = (float)input[i];
        a0 += x * w0[i];
        a1 += x * w1[i];
        a2 += x * w2[i];
        a3 += x * w3[i];
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

static inline float dot1(const EV_INPUT *input, const float *weight, int32_t count, float acc) {
    for (int32_t i = 0; i < count; i++) {
        acc += (float)input[i] * weight[i];
    }
    return acc;
}

/* Adds the taps of kernel row `ky` to `outputs` (4 or 1) channels of the whole image, from channel `first` on; the
 * first row begins with the bias, the last one rectifies. */
static inline void add_row(const ev_conv2d_f32 *layer, const EV_INPUT *input, int32_t first, int32_t outputs,
                           int32_t ky, float *output) {
    const ev_window *window = &layer->window;
    const int32_t tap_row = window->kernel_w * window->in_c;
    const int32_t tap_all = window->kernel_h * tap_row;
    const float *row_weight = layer->weight + first * tap_all + ky * tap_row;
    for (int32_t y = 0; y < window->out_h; y++) {
        const int32_t image_y = y * window->stride_h - window->pad_top + ky;
        const int inside = image_y >= 0 && image_y < window->in_h;
        float *place = output + y * window->out_w * window->out_c + first;
        int32_t x = 0;
        for (; x < window->out_w;) {
            const float *begin = ky == 0 ? layer->bias + first : place;
            const ev_taps columns = ev_taps_at(x, window->stride_w, window->pad_left, window->kernel_w, window->in_w);
            const int whole = columns.last - columns.first == window->kernel_w;
            const int two = outputs == 4 && whole && x + 1 < window->out_w &&
                            columns.start + window->stride_w + window->kernel_w <= window->in_w;
            float acc[8];
            for (int32_t k = 0; k < outputs; k++) {
                acc[k] = begin[k];
                acc[4 + k] = two ? begin[k + (ky == 0 ? 0 : window->out_c)] : 0.0f;
            }
            if (inside) {
                const EV_INPUT *pixels =
                    input + (image_y * window->in_w + columns.start + columns.first) * window->in_c;
                const float *weight = row_weight + columns.first * window->in_c;
                const int32_t count = (columns.last - columns.first) * window->in_c;
                if (two) {
                    dot8(pixels, pixels + window->stride_w * window->in_c, weight, tap_all, count, acc);
                } else if (outputs == 4) {
                    dot4(pixels, weight, tap_all, count, acc);
                } else {
                    acc[0] = dot1(pixels, weight, count, acc[0]);
                }
            }
            const int last = ky + 1 == window->kernel_h;
            for (int32_t pixel = 0; pixel <= two; pixel++) {
                for (int32_t k = 0; k < outputs; k++) {
                    const float value = acc[4 * pixel + k];
                    place[k] = last ? rectify(value, layer->relu) : value;
                }
                place += window->out_c;
                x++;
            }
        }
    }
}

void EV_KERNEL(const ev_conv2d_f32 *layer, const EV_INPUT *input, float *output) {
    for (int32_t first = 0; first < layer->window.out_c;) {
        const int32_t outputs = layer->window.out_c - first >= 4 ? 4 : 1;
        for (int32_t ky = 0; ky < layer->window.kernel_h; ky++) {
            if (outputs == 4) {
                add_row(layer, input, first, 4, ky, output);
            } else {
                add_row(layer, input, first, 1, ky, output);
            }
        }
        first += outputs;
    }
}
