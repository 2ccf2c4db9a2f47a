/* Events to a voxel grid: counts per polarity, time bin and pixel in the network's input. */
#include "ev_memory.h"
#include "ev_model.h"
#include "ev_sites.h"

void ev_window_begin(void) {
    const ev_sites *activity = ev_model_activity;
    ev_fill(ev_model_input(), 0, ev_model_tensors[ev_model.input].bytes);
    if (activity != 0) {
        ev_fill(activity->bits, 0, 4u * (uint32_t)(activity->height * activity->words));
    }
}

static inline void clear_word(uint8_t *bytes) {
    const uint32_t nothing = 0;
    ev_copy(bytes, &nothing, sizeof nothing);
}

/* Words may overlap: that is cheaper than to end with single bytes. */
static inline void clear_pixel(uint8_t *bytes, uint32_t n) {
    if (n < 4) {
        ev_fill(bytes, 0, n);
        return;
    }
    for (uint32_t i = 0; i + 4 < n; i += 4) {
        clear_word(bytes + i);
    }
    clear_word(bytes + n - 4);
}

void ev_window_next(void) {
    const ev_sites *activity = ev_model_activity;
    if (activity == 0) {
        ev_window_begin();
        return;
    }
    const ev_tensor_info *grid = &ev_model_tensors[ev_model.input];
    uint8_t *counts = ev_model_input();
    ev_walk walk = ev_walk_over(activity);
    while (ev_walk_on(&walk)) {
        clear_pixel(counts + ((uint32_t)walk.y * grid->width + (uint32_t)walk.x) * grid->channels, grid->channels);
    }
    ev_fill(activity->bits, 0, 4u * (uint32_t)(activity->height * activity->words));
}

static uint32_t count(const ev_tensor_info *grid, uint8_t *counts, uint32_t x, uint32_t y, uint32_t on, uint32_t bin) {
    uint32_t bins = grid->channels / 2u;
    if (x >= grid->width || y >= grid->height || on > 1u || bin >= bins) {
        return 0;
    }
    uint8_t *cell = counts + (y * grid->width + x) * grid->channels + on * bins + bin;
    if (*cell < 255u) {
        *cell = (uint8_t)(*cell + 1u);
    }
    if (ev_model_activity != 0) {
        ev_mark_site(ev_model_activity, y, x);
    }
    return 1;
}

uint32_t ev_window_add(const ev_event *events, uint32_t n) {
    const ev_tensor_info *grid = &ev_model_tensors[ev_model.input];
    uint8_t *counts = ev_model_input();
    uint32_t counted = 0;
    for (uint32_t i = 0; i < n; i++) {
        counted += count(grid, counts, events[i].x, events[i].y, events[i].on, events[i].bin);
    }
    return counted;
}

uint32_t ev_window_add_packed(const uint8_t *words, uint32_t n) {
    const ev_tensor_info *grid = &ev_model_tensors[ev_model.input];
    uint8_t *counts = ev_model_input();
    uint32_t counted = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t word = ev_load_u32(words + 4u * i);
        counted += count(grid, counts, word & 255u, (word >> 8) & 255u, (word >> 16) & 1u, word >> 17);
    }
    return counted;
}
