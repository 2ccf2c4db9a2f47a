// Answers one-letter commands: what the tests of the machine ask a core to do.
#include "board.h"

static void layer(uint32_t index);
void layer_done(uint32_t index);
__attribute__((noinline, used)) void layer_done(uint32_t index) { __asm__ volatile("" : : "r"(index)); }

volatile uint8_t outputs[2][16];

__attribute__((noinline)) static void layer(uint32_t index) {
  for (uint32_t i = 0; i < 16; i++) outputs[index][i] = (uint8_t)(16 * index + i);
  layer_done(index);
}

// 1000 turns of a known loop: mul, add, subs, bne.
__attribute__((noinline)) static uint32_t known_loop(void) {
  uint32_t n = 1000, x = 1;
  uint32_t start = CYCLES;
  __asm__ volatile(".p2align 3\n1: mul %1, %1, %0\n add %1, %1, #3\n subs %0, %0, #1\n bne 1b" : "+r"(n), "+r"(x));
  return CYCLES - start;
}

// Reads n words, one per cache line, from `address` on.
__attribute__((noinline)) static uint32_t read_lines(uint32_t address, uint32_t n) {
  uint32_t start = CYCLES;
  for (uint32_t i = 0; i < n; i++) (void)REG(address + 32 * i);
  return CYCLES - start;
}

__attribute__((noinline)) static uint32_t write_lines(uint32_t address, uint32_t n) {
  uint32_t start = CYCLES;
  for (uint32_t i = 0; i < n; i++) REG(address + 32 * i) = i;
  return CYCLES - start;
}

// A thousand stores to DTCM in a loop of two cycles: of bytes one after the other, or of words.
__attribute__((noinline)) static uint32_t store_loop(uint32_t bytes) {
  uint32_t n = 1000, at = 0x20010000, start = CYCLES;
  if (bytes) {
    __asm__ volatile(".p2align 3\n1: strb %0, [%1], #1\n subs %0, %0, #1\n bne 1b" : "+r"(n), "+r"(at) : : "memory");
  } else {
    __asm__ volatile(".p2align 3\n1: str %0, [%1], #4\n subs %0, %0, #1\n bne 1b" : "+r"(n), "+r"(at) : : "memory");
  }
  return CYCLES - start;
}

__attribute__((naked, noinline, used)) static void leaf(void) { __asm__ volatile("bx lr"); }

// 1000 calls of a function that returns at once: through a register, or by its name.
__attribute__((noinline)) static uint32_t calls(uint32_t indirect) {
  uint32_t n = 1000, start = CYCLES;
  void (*target)(void) = leaf;
  if (indirect) {
    __asm__ volatile(".p2align 3\n1: blx %1\n subs %0, %0, #1\n bne 1b" : "+r"(n) : "r"(target) : "lr", "memory");
  } else {
    __asm__ volatile(".p2align 3\n1: bl leaf\n subs %0, %0, #1\n bne 1b" : "+r"(n) : : "lr", "memory");
  }
  return CYCLES - start;
}

__attribute__((noinline)) static uint32_t work(uint32_t turns) {
  uint32_t a = 1, b = 2, c = 3;
  for (uint32_t i = 0; i < turns; i++) {
    a = a * 5 + b;
    b ^= a >> 3;
    c += a * b + (a & c);
    __asm__ volatile("smlad %0, %1, %2, %0" : "+r"(c) : "r"(a), "r"(b));
  }
  return c;
}

// Adds up a kilobyte of AXI SRAM, `turns` times: memory-bound work.
__attribute__((noinline)) static uint32_t sum_memory(uint32_t turns) {
  uint32_t sum = 0;
  for (uint32_t turn = 0; turn < turns; turn++) {
    for (uint32_t i = 0; i < 256; i++) sum += REG(0x24000000 + 4 * i);
  }
  return sum;
}

static float sums(void) {
  volatile float x = 1.5f;
  volatile double y = 2.25;
  return x * 2.0f + (float)(y * 3.0);
}

int main(void) {
  put_byte('!');
  for (;;) {
    uint8_t command = get_byte();
    switch (command) {
      case 'e': put_byte(get_byte()); break;
      case 'l': put_word(known_loop()); break;
      case 'n': put_word(read_lines(0x24000000, 64)); break;
      case 'q': put_word(read_lines(0x90000000, 64)); break;
      case 'd': put_word(read_lines(0x20010000, 64)); break;
      case 'g': put_word(read_lines(0x08010000 + 4096 * (uint32_t)get_byte(), 64)); break;
      case 'k': put_word(write_lines(0x24010000 + 4096 * (uint32_t)get_byte(), 64)); break;
      case 'b': put_word(calls(0)); break;
      case 'o': put_word(store_loop(1)); break;
      case 'p': put_word(store_loop(0)); break;
      case 'i': put_word(calls(1)); break;
      case 'w': put_word(work(1u << get_byte())); break;
      case 'm': put_word(sum_memory(1u << get_byte())); break;
      case 'f': {
        union { float f; uint32_t u; } result = {.f = sums()};
        put_word(result.u);
        break;
      }
      case 's': __asm__ volatile("svc #0"); put_word(supervisor_calls); break;
      case 'x': (void)REG(0xA0000000); break;
      case 'u': __asm__ volatile("udf #0"); break;
      case 'c': layer(0); layer(1); put_byte('.'); break;
      case 'r': reset_system(); break;
      case 'h': {
        REG(0xE0001000) &= ~1u;
        uint32_t frozen = CYCLES;
        work(100);
        put_byte(CYCLES == frozen);
        REG(0xE0001000) |= 1u;
        break;
      }
      default: put_byte('?');
    }
  }
}
