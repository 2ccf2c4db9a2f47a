/* Byte copies and little-endian words without a C library. */
#ifndef EV_MEMORY_H
#define EV_MEMORY_H

#include <stdint.h>

static inline void ev_copy(void *to, const void *from, uint32_t n) {
    __builtin_memcpy(to, from, n);
}

static inline void ev_fill(void *to, uint8_t value, uint32_t n) {
    __builtin_memset(to, value, n);
}

static inline uint32_t ev_load_u32(const uint8_t *from) {
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline uint16_t ev_load_u16(const uint8_t *from) {
    return (uint16_t)(from[0] | from[1] << 8);
}

/* The next bytes of a frame being written; returns where the one after goes. */
static inline uint8_t *ev_put_u8(uint8_t *to, uint32_t value) {
    *to = (uint8_t)value;
    return to + 1;
}

static inline uint8_t *ev_put_u16(uint8_t *to, uint32_t value) {
    return ev_put_u8(ev_put_u8(to, value), value >> 8);
}

static inline uint8_t *ev_put_u32(uint8_t *to, uint32_t value) {
    return ev_put_u16(ev_put_u16(to, value), value >> 16);
}

static inline uint8_t *ev_put_u64(uint8_t *to, uint64_t value) {
    return ev_put_u32(ev_put_u32(to, (uint32_t)value), (uint32_t)(value >> 32));
}

static inline uint8_t *ev_put_bytes(uint8_t *to, const void *from, uint32_t n) {
    ev_copy(to, from, n);
    return to + n;
}

#endif
