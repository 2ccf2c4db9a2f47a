/* The background-activity filter: keeps an event only if one of its eight neighbours fired shortly before. */
#ifndef EV_BACKGROUND_ACTIVITY_H
#define EV_BACKGROUND_ACTIVITY_H

#include "ev_model.h"

/* Every event tells its neighbours when it fired, so that asking is a single look; in time order the last one to tell
 * is the nearest in time. A border of one pixel spares the question whether a neighbour is there. */
static inline int ev_keep_event(uint32_t *told, uint32_t width, uint32_t x, uint32_t y, uint32_t t,
                                uint32_t keep_within) {
    const uint32_t row = width + 2u;
    uint32_t *above = told + y * row + x, *own = above + row, *below = own + row;
    const uint32_t fired = own[1];
    above[0] = t;
    above[1] = t;
    above[2] = t;
    own[0] = t;
    own[2] = t;
    below[0] = t;
    below[1] = t;
    below[2] = t;
    return fired != EV_NEVER && t - fired <= keep_within;
}

#endif
