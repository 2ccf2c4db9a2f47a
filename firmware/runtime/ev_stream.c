/* Events as a sensor gives them to voxel grids: the recipe's noise filter, the window's bins. */
#include "ev_memory.h"
#include "ev_model.h"
#include "model.h"

static uint32_t last[EV_MODEL_KEEP_WITHIN_US >= 0 ? EV_MODEL_HEIGHT * EV_MODEL_WIDTH : 1];
static uint32_t start;

ev_status ev_stream_begin(void) {
    ev_fill(last, 0xFF, sizeof last); /* EV_NEVER everywhere */
    return EV_MODEL_READS_STREAM ? EV_OK : EV_BAD_ARGUMENT;
}

void ev_stream_window(uint32_t first) {
    ev_window_begin();
    start = first;
}

uint32_t ev_stream_add(const ev_sensor_event *events, uint32_t n) {
    uint32_t counted = 0;
    for (uint32_t i = 0; i < n; i++) {
        const ev_sensor_event *event = events + i;
        const uint32_t age = event->t - start; /* before the window: wraps round, and lies behind it */
        if (EV_MODEL_KEEP_WITHIN_US >= 0 &&
            !ev_background_activity(last, EV_MODEL_WIDTH, EV_MODEL_HEIGHT, event->x, event->y, event->t,
                                    (uint32_t)EV_MODEL_KEEP_WITHIN_US)) {
            continue;
        }
        if (age < EV_MODEL_WINDOW_US) {
            const uint8_t bin = (uint8_t)(age * EV_MODEL_BINS / EV_MODEL_WINDOW_US);
            const ev_event placed = {.x = event->x, .y = event->y, .on = event->on, .bin = bin};
            counted += ev_window_add(&placed, 1);
        }
    }
    return counted;
}
