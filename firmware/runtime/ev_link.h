/* Frames on a serial line. body = type u8, sequence u8, payload; on the wire: COBS(body, CRC-32 of body) and a 0x00.
 * All numbers are little endian; the CRC is zlib's. */
#ifndef EV_LINK_H
#define EV_LINK_H

#include <stdint.h>

enum { EV_LINK_VERSION = 2, EV_LINK_PAYLOAD = 1024 };
enum { EV_LINK_BODY = EV_LINK_PAYLOAD + 2, EV_LINK_RAW = EV_LINK_BODY + 4 };
enum { EV_LINK_WIRE = EV_LINK_RAW + EV_LINK_RAW / 254 + 2 };

/* Host to board. */
enum {
    EV_HELLO = 0x01,
    EV_EVENTS = 0x02,
    EV_INPUT = 0x03,
    EV_BEGIN = 0x04,
    EV_RUN = 0x05,
    EV_DUMP = 0x06,
    EV_RESET = 0x07,
    EV_STREAM = 0x09
};

/* Board to host. */
enum {
    EV_HELLO_REPLY = 0x81,
    EV_ACK = 0x82,
    EV_NAK = 0x83,
    EV_LAYER = 0x84,
    EV_RESULT = 0x85,
    EV_TENSOR = 0x86,
    EV_LOG = 0x87,
    EV_FAULT = 0x88
};

/* Codes of EV_NAK. */
enum { EV_BAD_FRAME = 1, EV_UNKNOWN_TYPE = 2, EV_BAD_PAYLOAD = 3, EV_BAD_STATE = 4 };

typedef enum { EV_LINK_MORE, EV_LINK_FRAME, EV_LINK_BROKEN } ev_link_event;

/* Decodes a byte stream. After EV_LINK_FRAME, raw holds the body and `length` is its length. */
typedef struct {
    uint8_t raw[EV_LINK_RAW];
    uint32_t length;
    uint32_t block; /* bytes left before the next COBS code byte */
    uint8_t full;   /* the block being read was 254 bytes long: no zero follows it */
    uint8_t overrun;
    uint8_t started;
} ev_link_decoder;

uint32_t ev_crc32(uint32_t crc, const uint8_t *bytes, uint32_t n);

/* Makes the decoder wait for the start of a frame. */
void ev_link_reset(ev_link_decoder *decoder);

/* Takes one byte from the line. Never reads or writes outside the decoder, whatever the bytes are. */
ev_link_event ev_link_feed(ev_link_decoder *decoder, uint8_t byte);

/* Writes a frame to `wire` (EV_LINK_WIRE bytes), returns its length; `body` has room for four bytes more. */
uint32_t ev_link_encode(uint8_t *body, uint32_t length, uint8_t *wire);

#endif
