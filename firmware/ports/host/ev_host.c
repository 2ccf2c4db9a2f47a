/* The network as a shared library on a workstation: batches for comparison with other executions, and the board's
 * server with its line replaced by memory. */
#include "ev_memory.h"
#include "ev_model.h"
#include "ev_port.h"
#include "ev_server.h"

#define EV_EXPORT __attribute__((visibility("default")))

/* No counters here: the registers hold still, and the server says that they do. */
static volatile uint32_t dwt[8];

static struct {
    uint8_t *bytes;
    uint32_t used, size;
} line;

uint8_t ev_port_read(void) {
    return 0;
}

void ev_port_write(const uint8_t *bytes, uint32_t n) {
    uint32_t room = line.size - line.used;
    uint32_t taken = n < room ? n : room;
    ev_copy(line.bytes + line.used, bytes, taken);
    line.used += taken;
}

void ev_port_reset(void) {
    ev_server_start();
}

volatile uint32_t *ev_port_dwt(void) {
    return dwt;
}

void ev_port_stack_paint(void) {}

uint32_t ev_port_stack_used(void) {
    return 0;
}

static uint8_t *copy_tensors(uint8_t *to) {
    for (uint32_t t = 0; t < ev_model.tensors; t++) {
        to = ev_put_bytes(to, ev_model_tensors[t].address, ev_model_tensors[t].bytes);
    }
    return to;
}

/* Runs `n` windows, uint8 [n][height][width][channel]; copies every tensor of each, in table order, to `tensors`. */
EV_EXPORT void ev_host_run(const uint8_t *windows, uint32_t n, uint8_t *tensors) {
    uint32_t size = ev_model_tensors[ev_model.input].bytes;
    for (uint32_t i = 0; i < n; i++) {
        ev_copy(ev_model_input(), windows + (uint64_t)i * size, size);
        ev_model_run_layers(ev_model_input(), 0, ev_model.layers - 1u, 0, 0);
        tensors = copy_tensors(tensors);
    }
}

/* Runs one window that arrives as events; copies every tensor, in table order, to `tensors`. */
EV_EXPORT void ev_host_run_events(const ev_event *events, uint32_t n, uint8_t *tensors) {
    ev_window_begin();
    ev_window_add(events, n);
    ev_model_run_layers(0, 0, ev_model.layers - 1u, 0, 0);
    copy_tensors(tensors);
}

EV_EXPORT ev_status ev_host_infer(const uint8_t *window, float *logits) {
    return ev_model_run(window, logits, 0, 0);
}

EV_EXPORT void ev_host_start(void) {
    ev_server_start();
}

/* Feeds bytes to the server and collects what it answers; returns the length of the answers. */
EV_EXPORT uint32_t ev_host_feed(const uint8_t *bytes, uint32_t n, uint8_t *answers, uint32_t size) {
    line.bytes = answers;
    line.used = 0;
    line.size = size;
    for (uint32_t i = 0; i < n; i++) {
        ev_server_feed(bytes[i]);
    }
    return line.used;
}

EV_EXPORT uint32_t ev_host_voxelise(const ev_event *events, uint32_t n, uint8_t *grid) {
    ev_window_begin();
    uint32_t counted = ev_window_add(events, n);
    ev_copy(grid, ev_model_input(), ev_model_tensors[ev_model.input].bytes);
    return counted;
}

EV_EXPORT ev_status ev_host_stream_begin(void) {
    return ev_stream_begin();
}

/* One window of a stream; the grid goes to `grid`. */
EV_EXPORT uint32_t ev_host_stream_window(uint32_t first, const ev_sensor_event *events, uint32_t n, uint8_t *grid) {
    ev_stream_window(first);
    uint32_t counted = ev_stream_add(events, n);
    ev_copy(grid, ev_model_input(), ev_model_tensors[ev_model.input].bytes);
    return counted;
}
