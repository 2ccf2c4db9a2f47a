/* What the runtime needs from the machine it runs on. */
#ifndef EV_PORT_H
#define EV_PORT_H

#include <stdint.h>

/* Constants of this build, written by evbench to build.c. */
extern const char ev_board_name[];
extern const uint32_t ev_core_hz;
extern const uint32_t ev_baud;
extern const uint8_t ev_build_id[16];

/* Waits for the next byte from the host. */
uint8_t ev_port_read(void);

void ev_port_write(const uint8_t *bytes, uint32_t n);

/* Restarts the machine once everything written has left it. */
void ev_port_reset(void);

/* The Data Watchpoint and Trace unit's registers, and whether tracing could be switched on. */
volatile uint32_t *ev_port_dwt(void);

/* Fills the unused stack with a pattern; then how many bytes at its top have been used since. */
void ev_port_stack_paint(void);
uint32_t ev_port_stack_used(void);

#endif
