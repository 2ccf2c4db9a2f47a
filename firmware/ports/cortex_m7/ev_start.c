/* From reset to main: vector table, floating point, memory contents, and what a fault does. */
#include "ev_core.h"
#include "ev_machine.h"
#include "ev_memory.h"
#include "ev_port.h"
#include "ev_server.h"

/* From the linker script. */
extern uint32_t ev_stack_bottom[], ev_stack_top[];
extern uint32_t ev_data_start[], ev_data_end[], ev_data_image[];
extern uint32_t ev_bss_start[], ev_bss_end[];

int main(void);
void ev_reset(void);
void ev_begin(void);
void ev_fault(void);
void ev_fault_report(const uint32_t *frame);

enum { PAINT = 0x5AA5C33Cu };

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))ev_stack_top,
    ev_reset,
    ev_fault, /* NMI */
    ev_fault, /* HardFault */
    ev_fault, /* MemManage */
    ev_fault, /* BusFault */
    ev_fault, /* UsageFault */
    0,
    0,
    0,
    0,
    ev_fault, /* SVCall */
    ev_fault, /* DebugMonitor */
    0,
    ev_fault, /* PendSV */
    ev_fault, /* SysTick */
};

/* Compilers keep values in floating-point registers from the first line on, so the FPU is switched on before any C. */
__attribute__((naked)) void ev_reset(void) {
    __asm__ volatile("ldr r0, =0xE000ED88\n" /* CPACR */
                     "ldr r1, [r0]\n"
                     "orr r1, r1, #0xF00000\n"
                     "str r1, [r0]\n"
                     "dsb\n"
                     "isb\n"
                     "b ev_begin\n"
                     ".ltorg\n");
}

__attribute__((noreturn, used)) void ev_begin(void) {
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
    SCB_SHCSR |= 7u << 16; /* MemManage, BusFault and UsageFault have handlers of their own */
    ev_copy(ev_data_start, ev_data_image, (uint32_t)((uintptr_t)ev_data_end - (uintptr_t)ev_data_start));
    ev_fill(ev_bss_start, 0, (uint32_t)((uintptr_t)ev_bss_end - (uintptr_t)ev_bss_start));
    ev_machine_start();
    main();
    for (;;) {
    }
}

void ev_port_stack_paint(void) {
    uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = ev_stack_bottom; word < here; word++) {
        *word = PAINT;
    }
}

uint32_t ev_port_stack_used(void) {
    const volatile uint32_t *word = ev_stack_bottom;
    while ((uintptr_t)word < (uintptr_t)ev_stack_top && *word == PAINT) {
        word++;
    }
    return (uint32_t)((uintptr_t)ev_stack_top - (uintptr_t)word);
}

void ev_port_reset(void) {
    ev_machine_drain();
    ev_barrier();
    SCB_AIRCR = 0x05FA0004u; /* SYSRESETREQ */
    for (;;) {
    }
}

/* A fault may be a stack overflow: the report runs on a fresh stack and keeps a pointer to the frame. */
__attribute__((naked)) void ev_fault(void) {
    __asm__ volatile("tst lr, #4\n"
                     "ite eq\n"
                     "mrseq r0, msp\n"
                     "mrsne r0, psp\n"
                     "b ev_fault_entry\n");
}

__attribute__((naked, used)) void ev_fault_entry(void);
__attribute__((naked, used)) void ev_fault_entry(void) {
    __asm__ volatile("ldr r1, =ev_stack_top\n"
                     "mov sp, r1\n"
                     "b ev_fault_report\n"
                     ".ltorg\n");
}

__attribute__((noreturn, used)) void ev_fault_report(const uint32_t *frame) {
    uint8_t payload[24];
    /* The processor could not stack a frame below the stack's end; do not read what is not there. */
    int stacked = frame >= ev_stack_bottom && frame + 8 <= ev_stack_top;
    uint32_t link = stacked ? frame[5] : 0, counter = stacked ? frame[6] : 0;
    uint8_t *end = ev_put_u32(ev_put_u32(payload, SCB_CFSR), SCB_HFSR);
    end = ev_put_u32(ev_put_u32(end, SCB_MMFAR), SCB_BFAR);
    ev_put_u32(ev_put_u32(end, counter), link);
    ev_server_send(EV_FAULT, payload, sizeof payload);
    ev_port_reset();
    for (;;) {
    }
}
