/* COBS framing (Cheshire and Baker, 1999) with a CRC-32 under it. */
#include "ev_link.h"
#include "ev_memory.h"

/* CRC-32 of IEEE 802.3 (reflected 0xEDB88320), four bits a step. */
uint32_t ev_crc32(uint32_t crc, const uint8_t *bytes, uint32_t n) {
    static const uint32_t table[16] = {0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
                                       0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
                                       0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};
    crc = ~crc;
    for (uint32_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return ~crc;
}

void ev_link_reset(ev_link_decoder *decoder) {
    decoder->length = 0;
    decoder->block = 0;
    decoder->full = 1;
    decoder->overrun = 0;
    decoder->started = 0;
}

static void append(ev_link_decoder *decoder, uint8_t byte) {
    if (decoder->length < EV_LINK_RAW) {
        decoder->raw[decoder->length++] = byte;
    } else {
        decoder->overrun = 1;
    }
}

/* The 0x00 between frames: what has been collected is a frame or it is not. */
static ev_link_event finish(ev_link_decoder *decoder) {
    uint32_t length = decoder->length;
    int whole = decoder->block == 0 && !decoder->overrun && length >= 6;
    int started = decoder->started;
    ev_link_reset(decoder);
    if (!started) {
        return EV_LINK_MORE;
    }
    if (!whole || ev_crc32(0, decoder->raw, length - 4) != ev_load_u32(decoder->raw + length - 4)) {
        return EV_LINK_BROKEN;
    }
    decoder->length = length - 4;
    return EV_LINK_FRAME;
}

ev_link_event ev_link_feed(ev_link_decoder *decoder, uint8_t byte) {
    if (byte == 0) {
        return finish(decoder);
    }
    if (!decoder->started) {
        ev_link_reset(decoder);
        decoder->started = 1;
    }
    if (decoder->block == 0) {
        if (!decoder->full) {
            append(decoder, 0);
        }
        decoder->block = byte - 1u;
        decoder->full = byte == 255u;
    } else {
        append(decoder, byte);
        decoder->block--;
    }
    return EV_LINK_MORE;
}

uint32_t ev_link_encode(uint8_t *body, uint32_t length, uint8_t *wire) {
    uint32_t total = (uint32_t)(ev_put_u32(body + length, ev_crc32(0, body, length)) - body);
    uint32_t code = 0, out = 1;
    for (uint32_t i = 0; i < total; i++) {
        if (body[i] != 0) {
            wire[out++] = body[i];
        }
        if (body[i] == 0 || out - code == 255u) {
            wire[code] = (uint8_t)(out - code);
            code = out++;
        }
    }
    wire[code] = (uint8_t)(out - code);
    wire[out++] = 0;
    return out;
}
