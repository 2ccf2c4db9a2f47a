/* Cycle counting with the Data Watchpoint and Trace unit (Armv7-M Architecture Reference Manual, C1.8). */
#include "ev_counters.h"
#include "ev_port.h"

enum { CTRL = 0, CYCCNT = 1, CPICNT = 2, EXCCNT = 3, SLEEPCNT = 4, LSUCNT = 5, FOLDCNT = 6 };
enum { TEST_TURNS = 1000 };

static uint32_t overhead;

void ev_counters_read(ev_counts *counts) {
    volatile uint32_t *dwt = ev_port_dwt();
    counts->cpi = (uint8_t)dwt[CPICNT];
    counts->exc = (uint8_t)dwt[EXCCNT];
    counts->sleep = (uint8_t)dwt[SLEEPCNT];
    counts->lsu = (uint8_t)dwt[LSUCNT];
    counts->fold = (uint8_t)dwt[FOLDCNT];
    counts->cycles = dwt[CYCCNT];
}

uint32_t ev_counters_overhead(void) {
    return overhead;
}

int ev_counters_start(void) {
    volatile uint32_t *dwt = ev_port_dwt();
    dwt[CYCCNT] = 0;
    dwt[CTRL] |= 1u | 0x3Fu << 16; /* CYCCNTENA; the event enables also let the 8-bit counters run */
    ev_counts before, after;
    overhead = UINT32_MAX;
    for (uint32_t i = 0; i < 8; i++) {
        ev_counters_read(&before);
        ev_counters_read(&after);
        if (after.cycles - before.cycles < overhead) {
            overhead = after.cycles - before.cycles;
        }
    }
    ev_counters_read(&before);
    for (uint32_t i = 0; i < TEST_TURNS; i++) {
        __asm__ volatile("" : : "r"(i));
    }
    ev_counters_read(&after);
    /* A turn takes at least one instruction pair and never a hundred cycles. */
    uint32_t elapsed = after.cycles - before.cycles - overhead;
    return elapsed >= TEST_TURNS / 2 && elapsed <= TEST_TURNS * 100;
}
