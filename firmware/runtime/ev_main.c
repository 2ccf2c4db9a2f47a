/* The firmware's main loop: bytes from the host, one after the other. */
#include "ev_port.h"
#include "ev_server.h"

int main(void) {
    ev_server_start();
    for (;;) {
        ev_server_feed(ev_port_read());
    }
}
