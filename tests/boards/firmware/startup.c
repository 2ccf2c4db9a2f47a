// What vendors' start-up code does with an STM32H7's registers, waiting for every flag that it waits for; then a line of
// text on the serial port.
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
#ifndef UART
#define UART 0x40004800
#endif
#define UNTIL(address, mask) while (!(REG(address) & (mask)))

int main(void);

static void clocks(void) {
  REG(0x5802480C) = (REG(0x5802480C) & ~7u) | 2;  // PWR_CR3: LDO
  UNTIL(0x58024804, 1 << 13);                     // PWR_CSR1: ACTVOSRDY
  REG(0x58024818) = 3u << 14;                     // voltage scale 1
  UNTIL(0x58024818, 1 << 13);
  REG(0x58024800) |= 1 << 8;  // PWR_CR1: DBP
  UNTIL(0x58024800, 1 << 8);
  REG(0x58024470) |= 1;  // RCC_BDCR: LSE
  UNTIL(0x58024470, 2);
  REG(0x58024474) |= 1;  // RCC_CSR: LSI
  UNTIL(0x58024474, 2);
  REG(0x58024400) |= 1 << 18 | 1 << 16;  // RCC_CR: HSE, bypassed
  UNTIL(0x58024400, 1 << 17);
  REG(0x58024400) |= 1 << 12;  // HSI48
  UNTIL(0x58024400, 1 << 13);
  REG(0x58024400) |= 1 << 7;  // CSI, for the compensation cell
  UNTIL(0x58024400, 1 << 8);
  REG(0x580244F4) |= 2;  // SYSCFG
  REG(0x58000420) |= 1;  // SYSCFG_CCCSR
  UNTIL(0x58000420, 1 << 8);
  for (int pll = 0; pll < 3; pll++) {
    REG(0x58024400) |= 1u << (24 + 2 * pll);
    UNTIL(0x58024400, 1u << (25 + 2 * pll));
  }
  REG(0x52002000) = (REG(0x52002000) & ~15u) | 4;  // FLASH_ACR
  while ((REG(0x52002000) & 15) != 4) {
  }
  REG(0x58024410) |= 3;  // RCC_CFGR: PLL1
  while ((REG(0x58024410) >> 3 & 7) != 3) {
  }
}

static void caches(void) {
  REG(0xE000EF50) = 0;
  REG(0xE000ED14) |= 1u << 17;
  REG(0xE000ED84) = 0;
  uint32_t shape = REG(0xE000ED80);
  for (uint32_t set = 0; set <= (shape >> 13 & 0x7FFF); set++) {
    for (uint32_t way = 0; way <= (shape >> 3 & 0x3FF); way++) REG(0xE000EF60) = set << 5 | way << 30;
  }
  REG(0xE000ED14) |= 1u << 16;
}

// The M7 of an STM32H747 waits until the other core sleeps, and wakes it by a semaphore once the clocks are up.
static void wake_second_core(void) {
  while (REG(0x58024400) & 1u << 15) {
  }
  (void)REG(0x58026480);      // HSEM: take
  REG(0x58026400) = 3u << 8;  // and release
  UNTIL(0x58024400, 1u << 15);
}

static void say(const char *text) {
  for (; *text; text++) {
    UNTIL(UART + 0x1C, 1 << 7);
    REG(UART + 0x28) = (uint8_t)*text;
  }
  UNTIL(UART + 0x1C, 1 << 6);
}

static void say_number(uint32_t number, uint32_t base) {
  char digits[12], *first = digits + 11;
  *first = 0;
  do *--first = "0123456789abcdef"[number % base];
  while (number /= base);
  say(first);
}

static void other_blocks(void) {
  REG(0x40013008) = 1;  // SPI1
  REG(0x40013008) = 2;
  (void)REG(0x48022800);  // nothing anybody names
  REG(0x40004428) = 'x';  // USART2, which leads nowhere
  UNTIL(0x4000441C, 1 << 6);
  *(volatile uint8_t *)0x38000000 = 1;  // SRAM4
}

static void stop(void) {
  for (;;) {
  }
}

static void start(void) {
  REG(0xE000ED88) |= 0xFu << 20;
  main();
  stop();
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {(void *)0x20020000, start, stop, stop};

int main(void) {
  clocks();
  caches();
  REG(UART) = 0xD;
  UNTIL(UART + 0x1C, 1 << 21);
  wake_second_core();
  other_blocks();
  say("clocks are up\n");
  (void)REG(IDENTITY);
  say_number(*(volatile uint16_t *)FLASH_SIZE, 10);
  say(" KiB, device ");
  say_number(REG(0x5C001000) & 0xFFF, 16);
  say("\n");
  return 0;
}
