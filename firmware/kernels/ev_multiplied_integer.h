/* Body of the integer depthwise convolutions with several filters per channel. The including file defines EV_KERNEL,
 * its name, and what ev_depthwise_rows.h asks for.
 *
 * Rows of the image are copied to the end of the scratch with every channel repeated once per filter. A depthwise
 * convolution of the copy is what remains. */
#include "ev_depthwise_rows.h"

static void repeat_row(const uint8_t *from, int32_t count, int32_t times, uint8_t *to) {
    for (int32_t i = 0; i < count; i++) {
        to[0] = from[i];
        to[1] = from[i];
        for (int32_t k = 2; k < times; k++) {
            to[k] = from[i];
        }
        to += times;
    }
}

void EV_KERNEL(const ev_conv2d_s8 *layer, const EV_INPUT *input, uint8_t *output) {
    const ev_window *window = &layer->window;
    const uint8_t *image = (const uint8_t *)input;
    const int32_t image_row = window->in_w * window->in_c, row = window->in_w * window->out_c;
    uint8_t *rows = (uint8_t *)(layer->scratch + layer->scratch_words) - window->kernel_h * row;
    ev_conv2d_s8 copied = *layer;
    copied.window.in_c = window->out_c;
    ev_depthwise_rows shared = {.patch = 0};
    if (is_fast(&copied.window)) {
        shared = rows_of(&copied);
    }
    int32_t begin = 0, end = 0; /* rows of the image that are copied */
    for (int32_t y = 0; y < window->out_h; y++) {
        const ev_taps taps = ev_taps_at(y, window->stride_h, window->pad_top, window->kernel_h, window->in_h);
        const int32_t first = taps.start + taps.first, last = taps.start + taps.last;
        for (int32_t kept = first; kept < end && begin < first; kept++) {
            __builtin_memcpy(rows + (kept - first) * row, rows + (kept - begin) * row, (uint32_t)row);
        }
        begin = begin < first ? first : begin;
        end = end < begin ? begin : end;
        for (; end < last; end++) {
            repeat_row(image + end * image_row, image_row, window->out_c / window->in_c, rows + (end - begin) * row);
        }
        copied.window.in_h = taps.last - taps.first;
        copied.window.pad_top = taps.first;
        uint8_t *place = output + y * window->out_w * window->out_c;
        if (is_fast(&copied.window)) {
            row_3x3(&copied, &shared, rows, 0, 0, window->out_w, place);
        } else {
            any_row(&copied, (const EV_INPUT *)rows, 0, 0, window->out_w, place);
        }
    }
}
