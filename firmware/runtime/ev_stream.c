/* Events as a sensor gives them to voxel grids: the recipe's noise filter, the window's bins. */
#include "ev_background_activity.h"
#include "ev_memory.h"
#include "ev_model.h"
#include "ev_sites.h"
#include "model.h"

#define BINS EV_MODEL_BINS
#define CHANNELS (2u * BINS)
#define ROW_WORDS ((EV_MODEL_WIDTH + 31u) / 32u)
#define BINS_AT_ONCE 8u /* in a word of 64 bits */
#define BLOCK (BINS < BINS_AT_ONCE ? BINS : BINS_AT_ONCE)

static uint32_t start;

ev_status ev_stream_begin(void) {
    if (ev_model_fired != 0) {
        ev_fill(ev_model_fired, 0xFF, 4u * (EV_MODEL_HEIGHT + 2u) * (EV_MODEL_WIDTH + 2u)); /* EV_NEVER everywhere */
    }
    return EV_MODEL_READS_STREAM ? EV_OK : EV_BAD_ARGUMENT;
}

void ev_stream_window(uint32_t first) {
    ev_window_begin();
    start = first;
}

/* Moves the counts of every site to earlier bins; a site that has none left is active no more. */
static void move_bins(uint32_t bins) {
    uint8_t *counts = ev_model_input();
    ev_walk walk = ev_walk_over(ev_model_activity);
    while (ev_walk_on(&walk)) {
        uint8_t *cell = counts + ((uint32_t)walk.y * EV_MODEL_WIDTH + (uint32_t)walk.x) * CHANNELS;
        uint64_t off = 0, on = 0;
        ev_copy(&off, cell, BLOCK);
        ev_copy(&on, cell + BINS, BLOCK);
        off >>= 8u * bins;
        on >>= 8u * bins;
        ev_copy(cell, &off, BLOCK);
        ev_copy(cell + BINS, &on, BLOCK);
        if ((off | on) == 0) {
            ev_model_activity->bits[walk.y * walk.words + walk.x / 32] &= ~(1u << (uint32_t)walk.x % 32u);
        }
    }
}

ev_status ev_stream_slide(uint32_t first) {
    const uint32_t step = first - start;
    if (step >= EV_MODEL_WINDOW_US) {
        ev_window_next();
    } else if (step * BINS % EV_MODEL_WINDOW_US == 0 && BINS <= BINS_AT_ONCE && ev_model_activity != 0) {
        move_bins(step * BINS / EV_MODEL_WINDOW_US);
    } else {
        return EV_BAD_ARGUMENT;
    }
    start = first;
    return EV_OK;
}

/* What adding needs of the model, read once for many events. */
typedef struct {
    uint8_t *counts;
    uint32_t *sites; /* null when nobody asks where events fell */
    uint32_t start;
} grid;

static inline grid grid_under_way(void) {
    return (grid){ev_model_input(), ev_model_activity != 0 ? ev_model_activity->bits : 0, start};
}

static inline uint32_t add(const grid *to, uint32_t t, uint32_t x, uint32_t y, uint32_t on) {
    if (x >= EV_MODEL_WIDTH || y >= EV_MODEL_HEIGHT || on > 1u) {
        return 0;
    }
    if (EV_MODEL_KEEP_WITHIN_US >= 0 &&
        !ev_keep_event(ev_model_fired, EV_MODEL_WIDTH, x, y, t, (uint32_t)EV_MODEL_KEEP_WITHIN_US)) {
        return 0;
    }
    const uint32_t age = t - to->start; /* before the window: wraps round, and lies behind it */
    if (age >= EV_MODEL_WINDOW_US) {
        return 0;
    }
    const uint32_t bin = age * BINS / EV_MODEL_WINDOW_US;
    uint8_t *cell = to->counts + (y * EV_MODEL_WIDTH + x) * CHANNELS + on * BINS + bin;
    const uint32_t more = *cell + 1u;
    *cell = (uint8_t)(more - (more >> 8)); /* stops at 255 */
    if (to->sites != 0) {
        to->sites[y * ROW_WORDS + x / 32u] |= 1u << x % 32u;
    }
    return 1;
}

uint32_t ev_stream_add(const ev_sensor_event *events, uint32_t n) {
    const grid to = grid_under_way();
    uint32_t counted = 0;
    for (uint32_t i = 0; i < n; i++) {
        counted += add(&to, events[i].t, events[i].x, events[i].y, events[i].on);
    }
    return counted;
}

uint32_t ev_stream_add_packed(uint32_t t, const uint8_t *words, uint32_t n) {
    const grid to = grid_under_way();
    uint32_t counted = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t word = ev_load_u32(words + 4u * i);
        counted += add(&to, t + (word >> 17), word & 255u, (word >> 8) & 255u, (word >> 16) & 1u);
    }
    return counted;
}
