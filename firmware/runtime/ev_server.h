/* The board's side of the link: answers requests of the host about the network it holds. */
#ifndef EV_SERVER_H
#define EV_SERVER_H

#include "ev_link.h"

/* Prepares counters, stack and decoder; call once. */
void ev_server_start(void);

/* Takes one byte from the host and, where it ends a request, answers it through ev_port_write. */
void ev_server_feed(uint8_t byte);

/* Sends a frame of the given type about the last request. */
void ev_server_send(uint8_t type, const uint8_t *payload, uint32_t n);

/* Called after each layer of a run, before anything can overwrite its output: a place for a debugger's breakpoint. */
void ev_layer_done(uint16_t index);

#endif
