/* Cycle counting with the Cortex-M's Data Watchpoint and Trace unit (DWT). */
#ifndef EV_COUNTERS_H
#define EV_COUNTERS_H

#include <stdint.h>

/* One reading. The four 8-bit counters wrap every 256 events and say something of short stretches only. */
typedef struct {
    uint32_t cycles;
    uint8_t cpi, exc, sleep, lsu, fold;
} ev_counts;

/* Starts the counters and tests them on a known loop: 1 when they count. */
int ev_counters_start(void);

void ev_counters_read(ev_counts *counts);

/* Cycles that two readings with nothing between them are apart; measured by ev_counters_start. */
uint32_t ev_counters_overhead(void);

#endif
