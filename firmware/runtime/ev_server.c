/* Answers the host: who is there, events in, run and measure, tensors out. Every request gets exactly one answer;
 * the LAYER frames of a run come before its RESULT. */
#include "ev_server.h"
#include "ev_counters.h"
#include "ev_memory.h"
#include "ev_model.h"
#include "ev_port.h"
#include "model.h"

/* Bits of RUN's flags. */
enum { RUN_LAYERS = 1, RUN_STOP = 2, RUN_CONTINUE = 4 };

/* Bits of BEGIN's flags. */
enum { BEGIN_FORGET = 1, BEGIN_SLIDE = 2 };

static ev_link_decoder decoder;
static uint8_t sequence;
static int counting;
static int input_ready;                /* the input tensor holds a window that no layer has written over */
static int from_events;                /* it was filled by EVENTS or STREAM alone, which note where they fall */
static uint32_t next_layer;            /* where RUN_CONTINUE goes on; 0 when there is nothing to go on from */
static uint8_t reply[EV_LINK_PAYLOAD]; /* static, so that the stack measured during a run is the network's */
static float logits[EV_MODEL_OUTPUTS > 0 ? EV_MODEL_OUTPUTS : 1];

static struct {
    ev_counts before;
    ev_counts layers[EV_MODEL_LAYERS]; /* differences over each layer */
    uint64_t whole;
    uint32_t last;
} measured;

/* What making the window cost since BEGIN, without the link. */
static struct {
    uint32_t began;          /* cycles of clearing or sliding the grid */
    uint32_t given, counted; /* events */
    uint64_t cycles;         /* of filtering and counting them */
} voxelised;

void ev_server_send(uint8_t type, const uint8_t *payload, uint32_t n) {
    static uint8_t body[EV_LINK_RAW];
    static uint8_t wire[EV_LINK_WIRE];
    if (n > EV_LINK_PAYLOAD) {
        return;
    }
    body[0] = type;
    body[1] = sequence;
    ev_copy(body + 2, payload, n);
    ev_port_write(wire, ev_link_encode(body, n + 2, wire));
}

static void acknowledge(uint8_t type, uint32_t value) {
    uint8_t payload[5];
    ev_put_u32(ev_put_u8(payload, type), value);
    ev_server_send(EV_ACK, payload, sizeof payload);
}

static void refuse(uint8_t code) {
    uint8_t payload[2] = {code, sequence};
    ev_server_send(EV_NAK, payload, sizeof payload);
}

static uint32_t text_length(const char *text) {
    uint32_t n = 0;
    while (text[n] != 0 && n < 255) {
        n++;
    }
    return n;
}

static void hello(void) {
    uint32_t n = text_length(ev_board_name);
    uint8_t *end = ev_put_u8(reply, EV_LINK_VERSION);
    end = ev_put_u8(end, counting ? 1 : 0);
    end = ev_put_bytes(end, ev_build_id, 16);
    end = ev_put_bytes(end, ev_model_digest, 32);
    end = ev_put_u32(end, ev_core_hz);
    end = ev_put_u32(end, EV_LINK_WIRE);
    end = ev_put_u16(end, ev_model.layers);
    end = ev_put_u32(end, ev_model_tensors[ev_model.input].bytes);
    end = ev_put_u16(end, ev_model.outputs);
    end = ev_put_bytes(ev_put_u8(end, n), ev_board_name, n);
    ev_server_send(EV_HELLO_REPLY, reply, (uint32_t)(end - reply));
}

static uint32_t cycles_now(void) {
    ev_counts now;
    ev_counters_read(&now);
    return now.cycles;
}

static uint32_t cycles_since(uint32_t before) {
    const uint32_t cycles = cycles_now() - before, cost = ev_counters_overhead();
    return cycles > cost ? cycles - cost : 0;
}

/* Payload: nothing, and events come with bins or the window densely; or the window's first microsecond and flags, and
 * events come as the sensor gives them. Answers 0, and nothing is begun, when the last window cannot be slid there. */
static void begin(const uint8_t *payload, uint32_t n) {
    const uint32_t flags = n == 5 ? payload[4] : 0;
    if ((n != 0 && n != 5) || flags > 3 || (n == 5 && !EV_MODEL_READS_STREAM)) {
        refuse(EV_BAD_PAYLOAD);
        return;
    }
    const int untouched = input_ready && from_events;
    if (flags & BEGIN_FORGET) {
        ev_stream_begin();
    }
    const uint32_t before = cycles_now();
    if (n == 5 && !(flags & BEGIN_SLIDE)) {
        ev_stream_window(ev_load_u32(payload));
    } else if (n == 5 && (!untouched || ev_stream_slide(ev_load_u32(payload)) != EV_OK)) {
        acknowledge(EV_BEGIN, 0);
        return;
    } else if (n == 0 && untouched) {
        ev_window_next();
    } else if (n == 0) {
        ev_window_begin();
    }
    voxelised.began = cycles_since(before);
    voxelised.given = voxelised.counted = 0;
    voxelised.cycles = 0;
    input_ready = 1;
    from_events = 1;
    next_layer = 0;
    acknowledge(EV_BEGIN, 1);
}

static void events(uint8_t type, const uint8_t *payload, uint32_t n) {
    const uint32_t head = type == EV_STREAM ? 4 : 0; /* when the first event was, or before */
    if (n < head || n % 4 != 0 || (type == EV_STREAM && !EV_MODEL_READS_STREAM)) {
        refuse(EV_BAD_PAYLOAD);
        return;
    }
    if (!input_ready) {
        refuse(EV_BAD_STATE);
        return;
    }
    const uint8_t *words = payload + head;
    const uint32_t given = (n - head) / 4, before = cycles_now();
    const uint32_t counted = type == EV_STREAM ? ev_stream_add_packed(ev_load_u32(payload), words, given)
                                               : ev_window_add_packed(words, given);
    voxelised.cycles += cycles_since(before);
    voxelised.given += given;
    voxelised.counted += counted;
    acknowledge(type, counted);
}

static void dense(const uint8_t *payload, uint32_t n) {
    uint32_t size = ev_model_tensors[ev_model.input].bytes;
    uint32_t offset = n >= 4 ? ev_load_u32(payload) : size + 1;
    if (offset > size || n - 4 > size - offset) {
        refuse(EV_BAD_PAYLOAD);
    } else if (!input_ready) {
        refuse(EV_BAD_STATE);
    } else {
        ev_copy(ev_model_input() + offset, payload + 4, n - 4);
        from_events = 0;
        acknowledge(EV_INPUT, offset + n - 4);
    }
}

__attribute__((noinline, used)) void ev_layer_done(uint16_t index) {
    __asm__ volatile("" : : "r"(index));
}

/* What happens between two layers is on nobody's account: `before` is read last. */
static void measure(void *user, uint32_t layer, int finished) {
    (void)user;
    if (!finished) {
        ev_counters_read(&measured.before);
        return;
    }
    ev_counts now;
    ev_counters_read(&now);
    const ev_counts *before = &measured.before;
    ev_counts *spent = &measured.layers[layer];
    uint32_t cycles = now.cycles - before->cycles, cost = ev_counters_overhead();
    spent->cycles = cycles > cost ? cycles - cost : 0;
    spent->cpi = (uint8_t)(now.cpi - before->cpi);
    spent->exc = (uint8_t)(now.exc - before->exc);
    spent->sleep = (uint8_t)(now.sleep - before->sleep);
    spent->lsu = (uint8_t)(now.lsu - before->lsu);
    spent->fold = (uint8_t)(now.fold - before->fold);
    measured.whole += now.cycles - measured.last;
    measured.last = now.cycles;
    ev_layer_done((uint16_t)layer);
}

static void send_layer(uint32_t index) {
    const ev_counts *spent = &measured.layers[index];
    uint8_t payload[12];
    uint8_t *end = ev_put_u32(ev_put_u16(payload, index), spent->cycles);
    end = ev_put_u8(ev_put_u8(ev_put_u8(end, spent->cpi), spent->exc), spent->sleep);
    end = ev_put_u8(ev_put_u8(ev_put_u8(end, spent->lsu), spent->fold), 0);
    ev_server_send(EV_LAYER, payload, (uint32_t)(end - payload));
}

static void send_result(uint32_t first, uint32_t last, uint32_t stack) {
    uint64_t total = 0;
    for (uint32_t i = first; i <= last; i++) {
        total += measured.layers[i].cycles;
    }
    uint32_t n = last + 1 == ev_model.layers ? ev_model.outputs : 0;
    uint8_t *end = ev_put_u64(ev_put_u64(reply, total), measured.whole);
    end = ev_put_u32(ev_put_u32(end, stack), ev_counters_overhead());
    end = ev_put_u32(ev_put_u32(ev_put_u32(end, voxelised.began), voxelised.given), voxelised.counted);
    end = ev_put_u16(ev_put_u64(end, voxelised.cycles), n);
    end = ev_put_bytes(end, logits, n * 4);
    ev_server_send(EV_RESULT, reply, (uint32_t)(end - reply));
}

static void run(const uint8_t *payload, uint32_t n) {
    uint32_t flags = n >= 1 ? payload[0] : 0;
    uint32_t wanted = flags & RUN_STOP ? 3 : 1;
    uint32_t last = n >= 3 && flags & RUN_STOP ? ev_load_u16(payload + 1) : ev_model.layers - 1u;
    uint32_t first = flags & RUN_CONTINUE ? next_layer : 0;
    if (n < wanted || n > 3 || flags > 7 || last >= ev_model.layers) {
        refuse(EV_BAD_PAYLOAD);
        return;
    }
    if (flags & RUN_CONTINUE ? next_layer == 0 || last < first : !input_ready) {
        refuse(EV_BAD_STATE);
        return;
    }
    input_ready = ev_model.input_is_kept;
    ev_port_stack_paint();
    ev_counts now;
    ev_counters_read(&now);
    measured.whole = 0;
    measured.last = now.cycles;
    ev_model_run_layers(from_events ? 0 : ev_model_input(), first, last, measure, 0);
    uint32_t stack = ev_port_stack_used();
    next_layer = last + 1 == ev_model.layers ? 0 : last + 1;
    if (next_layer == 0) {
        ev_model_output(logits);
    }
    for (uint32_t i = first; flags & RUN_LAYERS && i <= last; i++) {
        send_layer(i);
    }
    send_result(first, last, stack);
}

static void dump(const uint8_t *payload, uint32_t n) {
    uint32_t index = n == 8 ? ev_load_u16(payload) : ev_model.tensors;
    if (index >= ev_model.tensors) {
        refuse(EV_BAD_PAYLOAD);
        return;
    }
    const ev_tensor_info *tensor = &ev_model_tensors[index];
    uint32_t offset = ev_load_u32(payload + 2), length = ev_load_u16(payload + 6);
    if (offset > tensor->bytes || length > tensor->bytes - offset || length > EV_LINK_PAYLOAD - 6) {
        refuse(EV_BAD_PAYLOAD);
        return;
    }
    uint8_t *end = ev_put_u32(ev_put_u16(reply, index), offset);
    end = ev_put_bytes(end, (const uint8_t *)tensor->address + offset, length);
    ev_server_send(EV_TENSOR, reply, (uint32_t)(end - reply));
}

static void answer(const uint8_t *body, uint32_t length) {
    const uint8_t *payload = body + 2;
    uint32_t n = length - 2;
    sequence = body[1];
    switch (body[0]) {
    case EV_HELLO: hello(); break;
    case EV_BEGIN: begin(payload, n); break;
    case EV_EVENTS:
    case EV_STREAM: events(body[0], payload, n); break;
    case EV_INPUT: dense(payload, n); break;
    case EV_RUN: run(payload, n); break;
    case EV_DUMP: dump(payload, n); break;
    case EV_RESET:
        acknowledge(EV_RESET, 0);
        ev_port_reset();
        break;
    default: refuse(EV_UNKNOWN_TYPE); break;
    }
}

void ev_server_start(void) {
    ev_link_reset(&decoder);
    counting = ev_counters_start();
    input_ready = 0;
    next_layer = 0;
}

void ev_server_feed(uint8_t byte) {
    switch (ev_link_feed(&decoder, byte)) {
    case EV_LINK_FRAME: answer(decoder.raw, decoder.length); break;
    case EV_LINK_BROKEN:
        sequence = 0;
        refuse(EV_BAD_FRAME);
        break;
    case EV_LINK_MORE: break;
    }
}
