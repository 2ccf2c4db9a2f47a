// A minimal STM32H743 program for tests of the virtual board: reset, a polled UART, the cycle counter, fault reports.
#ifndef TEST_BOARD_H
#define TEST_BOARD_H
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define CYCLES REG(0xE0001004)

static inline void put_byte(uint8_t byte) {
  while (!(REG(0x4000481C) & (1u << 7))) {
  }
  REG(0x40004828) = byte;
}

static inline uint8_t get_byte(void) {
  while (!(REG(0x4000481C) & (1u << 5))) {
  }
  return (uint8_t)REG(0x40004824);
}

static inline void put_word(uint32_t word) {
  for (int i = 0; i < 4; i++) put_byte((uint8_t)(word >> 8 * i));
}

static inline void reset_system(void) {
  REG(0xE000ED0C) = 0x05FA0004;
  for (;;) {
  }
}

int main(void);

// Reports "F", CFSR, BFAR and the stacked PC, then restarts.
static __attribute__((used)) void report_fault(const uint32_t *frame) {
  put_byte('F');
  put_word(REG(0xE000ED28));
  put_word(REG(0xE000ED38));
  put_word(frame[6]);
  reset_system();
}

__attribute__((naked)) static void hard_fault(void) { __asm__ volatile("mov r0, sp\n b report_fault"); }

static volatile uint32_t supervisor_calls;
static void supervisor_call(void) { supervisor_calls++; }

static void start(void) {
  REG(0xE000ED88) |= 0xFu << 20;  // the FPU
  __asm__ volatile("dsb\nisb");
  REG(0xE000EDFC) |= 1u << 24;
  REG(0xE0001FB0) = 0xC5ACCE55;
  REG(0xE0001000) |= 1;
  supervisor_calls = 0;
  main();
  reset_system();
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    (void *)0x20020000, start, hard_fault, hard_fault, hard_fault, hard_fault, hard_fault, 0, 0, 0, 0, supervisor_call};
#endif
