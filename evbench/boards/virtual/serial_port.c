// The registers firmware touches most, answered without a detour through Python: USART3 and the DWT cycle counter.
// Offsets are those of RM0433 chapter 48 (USART) and of the Armv7-M manual, C1.8 (DWT).
#include "block_timing.h"

enum {
  RING = 1 << 16,
  UART_PAGE_OFFSET = 0x800,  // USART3 lies at 0x40004800, in the page mapped at 0x40004000
  UART_ISR = UART_PAGE_OFFSET + 0x1C,
  UART_RDR = UART_PAGE_OFFSET + 0x24,
  UART_TDR = UART_PAGE_OFFSET + 0x28,
  ISR_RECEIVED = 1 << 5,
  ISR_SENT = 1 << 6 | 1 << 7 | 1 << 21 | 1 << 22,  // TC, TXE, TEACK, REACK
  SEND_AT = 1 << 12,
  IDLE_POLLS = 64,
  PAGE_WORDS = 1024,
  DWT_CTRL = 0x000,
  DWT_CYCCNT = 0x004,
  CTRL_CYCCNTENA = 1,
};

uint64_t block_timing_cycles(const void *timing);

// Called when firmware polls an empty receiver, or when bytes to send have gathered: moves bytes both ways.
typedef void (*exchange_fn)(uint32_t idle);

typedef struct {
  exchange_fn exchange;
  const void *timing;
  uint64_t cycle_origin;  // while the counter runs it reads cycles - cycle_origin, else `frozen`
  uint32_t frozen;
  uint32_t head, tail, pending, polls;
  uint32_t uart_registers[PAGE_WORDS], dwt_registers[PAGE_WORDS];
  uint8_t received[RING], sending[RING];
} serial_port;

EXPORT uint32_t serial_port_size(void) { return sizeof(serial_port); }

EXPORT void serial_port_init(serial_port *port, exchange_fn exchange, const void *timing) {
  port->exchange = exchange;
  port->timing = timing;
}

EXPORT void serial_port_reset(serial_port *port) {
  port->head = port->tail = port->pending = port->polls = 0;
  for (uint32_t i = 0; i < PAGE_WORDS; i++) port->uart_registers[i] = port->dwt_registers[i] = 0;
  port->cycle_origin = port->frozen = 0;
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

EXPORT uint64_t serial_port_read(uc_engine *uc, uint64_t offset, unsigned size, void *user) {
  (void)uc, (void)size;
  serial_port *port = user;
  if (offset == UART_ISR) {
    if (port->head == port->tail) {
      // Firmware that only looks in now and then, while it computes, is not made to wait.
      if (++port->polls >= IDLE_POLLS) port->exchange(1);
    } else {
      port->polls = 0;
    }
    return ISR_SENT | (port->head == port->tail ? 0 : ISR_RECEIVED);
  }
  if (offset == UART_RDR) return port->head == port->tail ? 0 : port->received[(port->tail++) & (RING - 1)];
  return port->uart_registers[(offset >> 2) & (PAGE_WORDS - 1)];
}

EXPORT void serial_port_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) {
  (void)uc, (void)size;
  serial_port *port = user;
  if (offset != UART_TDR) {
    port->uart_registers[(offset >> 2) & (PAGE_WORDS - 1)] = (uint32_t)value;
    return;
  }
  port->sending[port->pending++] = (uint8_t)value;
  port->polls = 0;
  if (value == 0 || port->pending >= SEND_AT) port->exchange(0);  // a zero byte ends a frame
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
  return offset == DWT_CYCCNT ? cycle_count(port) : port->dwt_registers[(offset >> 2) & (PAGE_WORDS - 1)];
}

EXPORT void serial_port_write_dwt(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) {
  (void)uc, (void)size;
  serial_port *port = user;
  if (offset == DWT_CYCCNT) {
    set_cycle_count(port, (uint32_t)value);
    return;
  }
  if (offset == DWT_CTRL) set_cycle_count(port, cycle_count(port));  // it starts or stops at the count it shows
  port->dwt_registers[(offset >> 2) & (PAGE_WORDS - 1)] = (uint32_t)value;
}
