/* What start-up needs of each machine: its clocks, caches, memory protection and serial port. */
#ifndef EV_MACHINE_H
#define EV_MACHINE_H

/* Brings the machine from its reset state to full speed with everything the runtime needs. */
void ev_machine_start(void);

/* Waits until the last byte has left the serial port. */
void ev_machine_drain(void);

#endif
