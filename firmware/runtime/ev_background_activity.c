/* The background-activity filter for callers who know the sensor's size only when they run. */
#include "ev_background_activity.h"

int ev_background_activity(uint32_t *told, uint16_t width, uint16_t height, uint16_t x, uint16_t y, uint32_t t,
                           uint32_t keep_within) {
    return x < width && y < height && ev_keep_event(told, width, x, y, t, keep_within);
}
