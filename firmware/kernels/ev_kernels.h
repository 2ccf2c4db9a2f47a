/* Every kernel of evbench: what it computes, on which types, and the constants it takes.
 *
 * Activations are stored height, width, channel (NHWC without N); sizes are in elements. Names end in the input's
 * type and the weights' type: u8s8 reads uint8_t activations and int8_t weights. An 8-bit output may be signed or
 * unsigned: only the clamp [low, high] differs. 16-bit activations give 16-bit ones; their zero points are 0. Integer
 * results are exact and equal on every machine; see ev_requantise.h for the one rounding step. Float kernels add in a
 * fixed order without fused multiply-add, so they too agree everywhere. */
#ifndef EV_KERNELS_H
#define EV_KERNELS_H

#include <stdint.h>

/* A window sliding over an image. Taps outside the image are real zero (pooling: they never win). */
typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
} ev_window;

/* y = clamp(round_half_even((float)acc * multiplier[channel]) + zero, low, high). */
typedef struct {
    const float *multiplier;
    int32_t zero, low, high;
} ev_requant;

/* weight: [out_c][kernel_h][kernel_w][in_c], in groups in_c / groups; depthwise: [kernel_h][kernel_w][out_c]. bias:
 * [out_c], with in_zero * (sum of the channel's weights) already subtracted. wide: 1 when sums of 16-bit activations
 * need 64 bits. scratch: memory that layers share, fastest in DTCM; evbench.compile.layers says how much a layer
 * needs. */
typedef struct {
    ev_window window;
    const int8_t *weight;
    const int32_t *bias;
    int32_t in_zero;
    ev_requant out;
    uint32_t *scratch;
    int32_t scratch_words;
    int32_t wide;
} ev_conv2d_s8;

/* Weights as above, in float32; relu is 0 or 1. */
typedef struct {
    ev_window window;
    const float *weight;
    const float *bias;
    int32_t relu;
} ev_conv2d_f32;

/* weight: [outputs][inputs], inputs in the order the activation is stored; bias: [outputs], zero point folded in. */
typedef struct {
    int32_t inputs, outputs;
    const int8_t *weight;
    const int32_t *bias;
    ev_requant out;
    int32_t wide;
} ev_linear_s8;

/* result = (float)acc * multiplier[output], then rectified when relu is 1. */
typedef struct {
    int32_t inputs, outputs;
    const int8_t *weight;
    const int32_t *bias;
    const float *multiplier;
    int32_t relu;
    int32_t wide;
} ev_linear_s8_logits;

typedef struct {
    int32_t inputs, outputs;
    const float *weight;
    const float *bias;
    int32_t relu;
} ev_linear_weights_f32;

/* Mean over all positions of each channel; out.multiplier points to one value. */
typedef struct {
    int32_t positions, channels;
    int32_t in_zero;
    ev_requant out;
} ev_avgpool;

/* Mean under a window: y = clamp(round_half_even((float)sum / (float)count / ratio) + zero), where count is the whole
 * window's when count_padding is 1 and otherwise that of the pixels inside the image; ratio: output by input scale. */
typedef struct {
    ev_window window;
    int32_t in_zero, count_padding;
    float ratio;
    int32_t zero, low, high;
} ev_avgpool2d;

/* One input's channels, [first, first + channels) of the output's `step`. table: the output's byte for every input
 * byte, or 0 where both have one grid. */
typedef struct {
    int32_t positions, channels, first, step;
    const uint8_t *table;
} ev_concat;

/* y = clamp(round_half_even(((float)(a - zero_a) * scale_a + (float)(b - zero_b) * scale_b) / scale) + zero). */
typedef struct {
    int32_t size;
    int32_t zero_a, zero_b;
    float scale_a, scale_b, scale;
    int32_t zero, low, high;
} ev_add;

/* y = clamp(round_half_even((float)(x - in_zero) * in_scale / scale) + zero). Real values have no grid: x / scale from
 * them, (float)(x - in_zero) * in_scale to them. */
typedef struct {
    int32_t size, in_zero;
    float in_scale, scale;
    int32_t zero, low, high;
} ev_rescale;

/* Inner loop of the integer convolutions: one tile of channels of two pixels. ev_pairs.h defines what it reads. */
struct ev_pairs;
void ev_multiply_pairs(const struct ev_pairs *work, uint8_t *first, uint8_t *second);
void ev_multiply_pairs_s16(const struct ev_pairs *work, int16_t *first, int16_t *second);

void ev_conv2d_u8s8(const ev_conv2d_s8 *layer, const uint8_t *input, uint8_t *output);
void ev_conv2d_s8s8(const ev_conv2d_s8 *layer, const int8_t *input, uint8_t *output);
void ev_conv2d_s16s8(const ev_conv2d_s8 *layer, const int16_t *input, int16_t *output);
void ev_conv2d_u8f32(const ev_conv2d_f32 *layer, const uint8_t *input, float *output);
void ev_conv2d_f32f32(const ev_conv2d_f32 *layer, const float *input, float *output);

void ev_depthwise_u8s8(const ev_conv2d_s8 *layer, const uint8_t *input, uint8_t *output);
void ev_depthwise_s8s8(const ev_conv2d_s8 *layer, const int8_t *input, uint8_t *output);
void ev_depthwise_s16s8(const ev_conv2d_s8 *layer, const int16_t *input, int16_t *output);
void ev_depthwise_u8f32(const ev_conv2d_f32 *layer, const uint8_t *input, float *output);
void ev_depthwise_f32f32(const ev_conv2d_f32 *layer, const float *input, float *output);

/* out_c / in_c filters per channel, two or more. */
void ev_multiplied_u8s8(const ev_conv2d_s8 *layer, const uint8_t *input, uint8_t *output);
void ev_multiplied_s8s8(const ev_conv2d_s8 *layer, const int8_t *input, uint8_t *output);

/* Output channels in `groups` groups, each of which reads its own input channels. */
void ev_grouped_u8s8(const ev_conv2d_s8 *layer, int32_t groups, const uint8_t *input, uint8_t *output);
void ev_grouped_s8s8(const ev_conv2d_s8 *layer, int32_t groups, const int8_t *input, uint8_t *output);
void ev_grouped_s16s8(const ev_conv2d_s8 *layer, int32_t groups, const int16_t *input, int16_t *output);
void ev_grouped_u8f32(const ev_conv2d_f32 *layer, int32_t groups, const uint8_t *input, float *output);
void ev_grouped_f32f32(const ev_conv2d_f32 *layer, int32_t groups, const float *input, float *output);

void ev_linear_u8s8(const ev_linear_s8 *layer, const uint8_t *input, uint8_t *output);
void ev_linear_s8s8(const ev_linear_s8 *layer, const int8_t *input, uint8_t *output);
void ev_linear_s16s8(const ev_linear_s8 *layer, const int16_t *input, int16_t *output);
void ev_linear_u8s8_f32(const ev_linear_s8_logits *layer, const uint8_t *input, float *output);
void ev_linear_s8s8_f32(const ev_linear_s8_logits *layer, const int8_t *input, float *output);
void ev_linear_s16s8_f32(const ev_linear_s8_logits *layer, const int16_t *input, float *output);
void ev_linear_u8f32(const ev_linear_weights_f32 *layer, const uint8_t *input, float *output);
void ev_linear_f32f32(const ev_linear_weights_f32 *layer, const float *input, float *output);

void ev_avgpool_u8(const ev_avgpool *layer, const uint8_t *input, uint8_t *output);
void ev_avgpool_s8(const ev_avgpool *layer, const int8_t *input, uint8_t *output);
void ev_avgpool_u8_s16(const ev_avgpool *layer, const uint8_t *input, int16_t *output);
void ev_avgpool_s8_s16(const ev_avgpool *layer, const int8_t *input, int16_t *output);
void ev_avgpool_s16(const ev_avgpool *layer, const int16_t *input, int16_t *output);
void ev_avgpool_f32(int32_t positions, int32_t channels, const float *input, float *output);

void ev_avgpool2d_u8(const ev_avgpool2d *layer, const uint8_t *input, uint8_t *output);
void ev_avgpool2d_s8(const ev_avgpool2d *layer, const int8_t *input, uint8_t *output);
void ev_avgpool2d_f32(const ev_window *window, int32_t count_padding, const float *input, float *output);

/* The output may begin where the input does when no window begins before the output pixel it makes; so for the means
 * under a window of 8-bit activations. */
void ev_maxpool_u8(const ev_window *window, const uint8_t *input, uint8_t *output);
void ev_maxpool_s8(const ev_window *window, const int8_t *input, int8_t *output);
void ev_maxpool_s16(const ev_window *window, const int16_t *input, int16_t *output);
void ev_maxpool_f32(const ev_window *window, const float *input, float *output);

/* The output may be one of the inputs. */
void ev_add_u8u8(const ev_add *layer, const uint8_t *a, const uint8_t *b, uint8_t *output);
void ev_add_u8s8(const ev_add *layer, const uint8_t *a, const int8_t *b, uint8_t *output);
void ev_add_s8s8(const ev_add *layer, const int8_t *a, const int8_t *b, uint8_t *output);
void ev_add_s16s16(const ev_add *layer, const int16_t *a, const int16_t *b, int16_t *output);
void ev_add_f32(int32_t size, int32_t relu, const float *a, const float *b, float *output);

/* table: the output's value for every input byte. */
void ev_rescale_8(int32_t size, const uint8_t *table, const uint8_t *input, uint8_t *output);
/* Weights in IEEE half precision as float32, for the float layer that runs next. */
void ev_widen_f16(int32_t size, const uint16_t *weight, float *output);

void ev_rescale_8_f32(int32_t size, const float *table, const uint8_t *input, float *output);
void ev_rescale_8_s16(int32_t size, const int16_t *table, const uint8_t *input, int16_t *output);
void ev_rescale_s16_8(const ev_rescale *layer, const int16_t *input, uint8_t *output);
void ev_rescale_s16_f32(const ev_rescale *layer, const int16_t *input, float *output);
void ev_rescale_s16_s16(const ev_rescale *layer, const int16_t *input, int16_t *output);
void ev_rescale_f32_8(const ev_rescale *layer, const float *input, uint8_t *output);
void ev_rescale_f32_s16(const ev_rescale *layer, const float *input, int16_t *output);

/* One call per input. */
void ev_concat_8(const ev_concat *part, const uint8_t *input, uint8_t *output);
void ev_concat_f32(const ev_concat *part, const float *input, float *output);

#endif
