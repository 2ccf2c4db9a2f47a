/* The memory functions compilers call on their own: firmware links no C library. */
#include <stddef.h>
#include <stdint.h>

#define EV_SHARED __attribute__((noinline, used))
EV_SHARED void *memcpy(void *restrict to, const void *restrict from, size_t n);
EV_SHARED void *memmove(void *to, const void *from, size_t n);
EV_SHARED void *memset(void *to, int value, size_t n);
EV_SHARED int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if ((((uintptr_t)out | (uintptr_t)in) & 3u) == 0) {
        uint32_t *words = to;
        const uint32_t *source = from;
        for (; n >= 4; n -= 4) {
            *words++ = *source++;
        }
        out = (uint8_t *)words;
        in = (const uint8_t *)source;
    }
    for (; n > 0; n--) {
        *out++ = *in++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t n) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if ((uintptr_t)out - (uintptr_t)in >= n) {
        return memcpy(to, from, n);
    }
    while (n > 0) {
        n--;
        out[n] = in[n];
    }
    return to;
}

void *memset(void *to, int value, size_t n) {
    uint8_t *out = to;
    for (; n > 0 && ((uintptr_t)out & 3u) != 0; n--) {
        *out++ = (uint8_t)value;
    }
    uint32_t *words = (uint32_t *)(void *)out;
    for (; n >= 4; n -= 4) {
        *words++ = (uint8_t)value * 0x01010101u;
    }
    for (out = (uint8_t *)words; n > 0; n--) {
        *out++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t n) {
    const uint8_t *first = a, *second = b;
    for (; n > 0; n--, first++, second++) {
        if (*first != *second) {
            return *first < *second ? -1 : 1;
        }
    }
    return 0;
}

#if defined(__arm__)
/* Run-time ABI for the Arm architecture (IHI 0043), section 4.3.4: names under which clang calls the same functions.
 * __aeabi_memset takes its last two arguments in the other order. */
#define EV_AEABI(name) __attribute__((used)) name
void EV_AEABI(__aeabi_memcpy)(void *to, const void *from, size_t n);
void EV_AEABI(__aeabi_memcpy4)(void *to, const void *from, size_t n);
void EV_AEABI(__aeabi_memcpy8)(void *to, const void *from, size_t n);
void EV_AEABI(__aeabi_memmove)(void *to, const void *from, size_t n);
void EV_AEABI(__aeabi_memmove4)(void *to, const void *from, size_t n);
void EV_AEABI(__aeabi_memmove8)(void *to, const void *from, size_t n);
void EV_AEABI(__aeabi_memset)(void *to, size_t n, int value);
void EV_AEABI(__aeabi_memset4)(void *to, size_t n, int value);
void EV_AEABI(__aeabi_memset8)(void *to, size_t n, int value);
void EV_AEABI(__aeabi_memclr)(void *to, size_t n);
void EV_AEABI(__aeabi_memclr4)(void *to, size_t n);
void EV_AEABI(__aeabi_memclr8)(void *to, size_t n);

void __aeabi_memcpy(void *to, const void *from, size_t n) {
    memcpy(to, from, n);
}
void __aeabi_memcpy4(void *to, const void *from, size_t n) {
    memcpy(to, from, n);
}
void __aeabi_memcpy8(void *to, const void *from, size_t n) {
    memcpy(to, from, n);
}
void __aeabi_memmove(void *to, const void *from, size_t n) {
    memmove(to, from, n);
}
void __aeabi_memmove4(void *to, const void *from, size_t n) {
    memmove(to, from, n);
}
void __aeabi_memmove8(void *to, const void *from, size_t n) {
    memmove(to, from, n);
}
void __aeabi_memset(void *to, size_t n, int value) {
    memset(to, value, n);
}
void __aeabi_memset4(void *to, size_t n, int value) {
    memset(to, value, n);
}
void __aeabi_memset8(void *to, size_t n, int value) {
    memset(to, value, n);
}
void __aeabi_memclr(void *to, size_t n) {
    memset(to, 0, n);
}
void __aeabi_memclr4(void *to, size_t n) {
    memset(to, 0, n);
}
void __aeabi_memclr8(void *to, size_t n) {
    memset(to, 0, n);
}
#endif
