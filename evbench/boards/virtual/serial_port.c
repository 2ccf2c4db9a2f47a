// The registers firmware touches most, answered without a detour through Python: one serial port and the DWT cycle
// counter. Offsets are those of RM0433 chapter 48 (USART) and of the Armv7-M manual, C1.8 (DWT).
#include "block_timing.h"

enum {
  RING = 1 << 16,
  PORT_BYTES = 0x400,
  UART_CR1 = 0x00,
  UART_ISR = 0x1C,
  UART_ICR = 0x20,
  UART_RDR = 0x24,
  UART_TDR = 0x28,
  CR1_IDLE_INTERRUPT = 1 << 4,
  CR1_RECEIVE_INTERRUPT = 1 << 5,
  CR1_SENT_INTERRUPT = 1 << 6,
  CR1_EMPTY_INTERRUPT = 1 << 7,
  ISR_IDLE = 1 << 4,
  ISR_RECEIVED = 1 << 5,
  ISR_SENT = 1 << 6,
  ISR_EMPTY = 1 << 7,
  ISR_READY = 1 << 21 | 1 << 22,  // TEACK, REACK
  SEND_AT = 1 << 12,
  IDLE_POLLS = 64,
  PORT_WORDS = PORT_BYTES / 4,
  DWT_WORDS = 1024,
  DWT_CTRL = 0x000,
  DWT_CYCCNT = 0x004,
  CTRL_CYCCNTENA = 1,
};

uint64_t block_timing_cycles(const void *timing);

// Called when firmware polls an empty receiver, or when bytes to send have gathered: moves bytes both ways.
typedef void (*exchange_fn)(uint32_t idle);
// Called when the port's interrupt may have changed, or when bytes begin to wait for being sent.
typedef void (*changed_fn)(void);

typedef struct {
  exchange_fn exchange;
  changed_fn changed;
  const void *timing;
  uint64_t cycle_origin;  // while the counter runs it reads cycles - cycle_origin, else `frozen`
  uint64_t next_byte;     // cycle from which on the next byte has arrived, for firmware that waits by interrupt
  uint32_t byte_cycles;
  uint32_t frozen;
  uint32_t head, tail, pending, polls, sent, idle;
  uint32_t uart_registers[PORT_WORDS], dwt_registers[DWT_WORDS];
  uint8_t received[RING], sending[RING];
} serial_port;

EXPORT uint32_t serial_port_size(void) { return sizeof(serial_port); }

// byte_cycles: how long a byte takes on the line; firmware that polls is given bytes as fast as it takes them.
EXPORT void serial_port_init(serial_port *port, exchange_fn exchange, changed_fn changed, const void *timing,
                             uint32_t byte_cycles) {
  port->exchange = exchange;
  port->changed = changed;
  port->timing = timing;
  port->byte_cycles = byte_cycles;
}

EXPORT void serial_port_reset(serial_port *port) {
  port->head = port->tail = port->pending = port->polls = port->idle = 0;
  port->sent = ISR_SENT;
  for (uint32_t i = 0; i < PORT_WORDS; i++) port->uart_registers[i] = 0;
  for (uint32_t i = 0; i < DWT_WORDS; i++) port->dwt_registers[i] = 0;
  port->cycle_origin = port->next_byte = port->frozen = 0;
}

// Puts bytes from the line into the receiver; returns how many it took.
EXPORT uint32_t serial_port_receive(serial_port *port, const uint8_t *bytes, uint32_t n) {
  uint32_t room = RING - 1 - (port->head - port->tail), take = n < room ? n : room;
  for (uint32_t i = 0; i < take; i++) port->received[(port->head++) & (RING - 1)] = bytes[i];
  return take;
}

// Takes all bytes that firmware has sent; `out` has room for 65536.
EXPORT uint32_t serial_port_take(serial_port *port, uint8_t *out) {
  uint32_t n = port->pending;
  for (uint32_t i = 0; i < n; i++) out[i] = port->sending[i];
  port->pending = 0;
  return n;
}

static uint32_t control(const serial_port *port) { return port->uart_registers[UART_CR1 / 4]; }

static int has_byte(const serial_port *port) {
  if (port->head == port->tail) return 0;
  return !(control(port) & CR1_RECEIVE_INTERRUPT) || block_timing_cycles(port->timing) >= port->next_byte;
}

static uint32_t status(const serial_port *port) {
  return ISR_READY | ISR_EMPTY | port->sent | port->idle | (has_byte(port) ? ISR_RECEIVED : 0);
}

// Whether the port asks for its interrupt: the flags and their enables have the same places in ISR and CR1.
EXPORT uint32_t serial_port_asks(const serial_port *port) {
  uint32_t enabled = CR1_IDLE_INTERRUPT | CR1_RECEIVE_INTERRUPT | CR1_SENT_INTERRUPT | CR1_EMPTY_INTERRUPT;
  return (control(port) & 1) && (status(port) & control(port) & enabled) != 0;
}

// Whether firmware waits for bytes by interrupt.
EXPORT uint32_t serial_port_listens(const serial_port *port) {
  return (control(port) & 1) && (control(port) & CR1_RECEIVE_INTERRUPT) != 0;
}

// The cycle at which the next byte will have arrived, UINT64_MAX when it has or none is on its way.
EXPORT uint64_t serial_port_due(const serial_port *port) {
  if (port->head == port->tail || !serial_port_listens(port) || has_byte(port)) return UINT64_MAX;
  return port->next_byte;
}

EXPORT uint32_t serial_port_unsent(const serial_port *port) { return port->pending; }

EXPORT uint32_t serial_port_read(serial_port *port, uint32_t offset) {
  if (offset == UART_ISR) {
    if (port->head == port->tail) {
      // Firmware that only looks in now and then, while it computes, is not made to wait.
      if (++port->polls >= IDLE_POLLS && !serial_port_listens(port)) port->exchange(1);
    } else {
      port->polls = 0;
    }
    return status(port);
  }
  if (offset == UART_RDR) {
    if (port->head == port->tail) return 0;
    uint32_t byte = port->received[(port->tail++) & (RING - 1)];
    if (port->head == port->tail) port->idle = ISR_IDLE;
    if (serial_port_listens(port)) {
      port->next_byte = block_timing_cycles(port->timing) + port->byte_cycles;
      port->changed();
    }
    return byte;
  }
  return port->uart_registers[(offset >> 2) & (PORT_WORDS - 1)];
}

EXPORT void serial_port_write(serial_port *port, uint32_t offset, uint32_t value) {
  if (offset == UART_TDR) {
    uint32_t first = port->pending == 0;
    port->sending[port->pending++] = (uint8_t)value;
    port->polls = 0;
    port->sent = ISR_SENT;
    if (value == 0 || port->pending >= SEND_AT) {  // a zero byte ends a frame
      port->exchange(0);
    } else if (first) {
      port->changed();
    }
  } else if (offset == UART_ICR) {
    if (value & ISR_SENT) port->sent = 0;
    if (value & ISR_IDLE) port->idle = 0;
    port->changed();
  } else {
    port->uart_registers[(offset >> 2) & (PORT_WORDS - 1)] = value;
    if (offset == UART_CR1) port->changed();
  }
}

static uint32_t cycle_count(const serial_port *port) {
  if (!(port->dwt_registers[DWT_CTRL] & CTRL_CYCCNTENA)) return port->frozen;
  return (uint32_t)(block_timing_cycles(port->timing) - port->cycle_origin);
}

static void set_cycle_count(serial_port *port, uint32_t count) {
  port->frozen = count;
  port->cycle_origin = block_timing_cycles(port->timing) - count;
}

EXPORT uint64_t serial_port_read_dwt(uc_engine *uc, uint64_t offset, unsigned size, void *user) {
  (void)uc, (void)size;
  serial_port *port = user;
  return offset == DWT_CYCCNT ? cycle_count(port) : port->dwt_registers[(offset >> 2) & (DWT_WORDS - 1)];
}

EXPORT void serial_port_write_dwt(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) {
  (void)uc, (void)size;
  serial_port *port = user;
  if (offset == DWT_CYCCNT) {
    set_cycle_count(port, (uint32_t)value);
    return;
  }
  if (offset == DWT_CTRL) set_cycle_count(port, cycle_count(port));  // it starts or stops at the count it shows
  port->dwt_registers[(offset >> 2) & (DWT_WORDS - 1)] = (uint32_t)value;
}

// The page of memory in which the port lies holds other blocks as well: those are asked of `others`.
typedef struct {
  serial_port *port;
  uint32_t page, offset;
  uint32_t (*read_other)(uint32_t address, uint32_t size);
  void (*write_other)(uint32_t address, uint32_t size, uint32_t value);
} port_page;

static int in_port(const port_page *page, uint32_t offset) {
  return offset >= page->offset && offset < page->offset + PORT_BYTES;
}

EXPORT uint64_t port_page_read(uc_engine *uc, uint64_t offset, unsigned size, void *user) {
  (void)uc;
  const port_page *page = user;
  uint32_t at = (uint32_t)offset;
  return in_port(page, at) ? serial_port_read(page->port, at - page->offset) : page->read_other(page->page + at, size);
}

EXPORT void port_page_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) {
  (void)uc;
  const port_page *page = user;
  uint32_t at = (uint32_t)offset;
  if (in_port(page, at)) {
    serial_port_write(page->port, at - page->offset, (uint32_t)value);
  } else {
    page->write_other(page->page + at, size, (uint32_t)value);
  }
}
