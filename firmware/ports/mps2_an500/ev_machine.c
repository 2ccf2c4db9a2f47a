/* Link and instruction counter of Arm's MPS2 board with a Cortex-M7 (AN500), as QEMU has it (-M mps2-an500).
 *
 * The link goes through semihosting, to QEMU's own standard input and output: its model of the serial port takes tens of
 * microseconds per byte. Time on this machine is made of instructions: under -icount its timer counts so many for each.
 * The core's own cycle counter does not count. */
#include "ev_core.h"
#include "ev_machine.h"
#include "ev_port.h"

/* Cortex-M System Design Kit (Arm DDI 0479), 4.2. */
#define TIMER_CTRL EV_REGISTER(0x40000000)
#define TIMER_VALUE EV_REGISTER(0x40000004)
#define TIMER_RELOAD EV_REGISTER(0x40000008)

/* Semihosting for AArch32 and AArch64 (Arm IHI 0100). */
enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06 };
enum { READ_BINARY = 1, WRITE_BINARY = 5 };

enum { COUNT = 1, DWT_WORDS = 8, INPUT_BYTES = 1024 };

static uint32_t from_host, to_host;

static uint32_t ask_host(uint32_t operation, const void *arguments) {
    uint32_t answer;
    __asm__ volatile("mov r0, %1\n mov r1, %2\n bkpt 0xAB\n mov %0, r0"
                     : "=r"(answer)
                     : "r"(operation), "r"(arguments)
                     : "r0", "r1", "memory");
    return answer;
}

static uint32_t open_console(uint32_t mode) {
    static const char console[] = ":tt";
    const uint32_t arguments[] = {(uint32_t)(uintptr_t)console, mode, sizeof console - 1};
    return ask_host(SYS_OPEN, arguments);
}

void ev_machine_start(void) {
    TIMER_RELOAD = UINT32_MAX;
    TIMER_VALUE = UINT32_MAX;
    TIMER_CTRL = 1;
    from_host = open_console(READ_BINARY);
    to_host = open_console(WRITE_BINARY);
}

/* Registers as the core's trace unit has them, with the timer's count in the place of cycles. */
volatile uint32_t *ev_port_dwt(void) {
    static volatile uint32_t counters[DWT_WORDS];
    counters[COUNT] = UINT32_MAX - TIMER_VALUE;
    return counters;
}

uint8_t ev_port_read(void) {
    static uint8_t input[INPUT_BYTES];
    static uint32_t here, end;
    while (here == end) {
        const uint32_t arguments[] = {from_host, (uint32_t)(uintptr_t)input, INPUT_BYTES};
        here = 0;
        end = INPUT_BYTES - ask_host(SYS_READ, arguments); /* it answers how many are missing */
    }
    return input[here++];
}

void ev_port_write(const uint8_t *bytes, uint32_t n) {
    const uint32_t arguments[] = {to_host, (uint32_t)(uintptr_t)bytes, n};
    ask_host(SYS_WRITE, arguments);
}

void ev_machine_drain(void) {
}
