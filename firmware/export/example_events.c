/* The class of one window of events. */
#include "model.h"

static float logits[EV_MODEL_OUTPUTS];

/* Events in grid coordinates; `bin` is the time within the window in units of its bins. */
static int classify(const ev_event *events, uint32_t n) {
    ev_window_begin();
    ev_window_add(events, n);
    if (ev_model_run(0, logits, 0, 0) != EV_OK) { /* 0: the window just counted */
        return -1;
    }
    int best = 0;
    for (int i = 1; i < EV_MODEL_OUTPUTS; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

int main(void) {
    static const ev_event events[] = {{.x = 10, .y = 12, .on = 1, .bin = 0}, {.x = 11, .y = 12, .on = 0, .bin = 1}};
    return classify(events, sizeof events / sizeof *events);
}
