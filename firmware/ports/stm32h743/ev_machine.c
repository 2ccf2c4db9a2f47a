/* Clock tree at 480 MHz, caches, memory protection, USART3 and memory-mapped QSPI flash (RM0433 rev 8). */
#include "ev_machine.h"
#include "ev_port.h"
#include "ev_registers.h"

enum { PCLK1_DIVIDER = 4 }; /* core 480 MHz, buses 240 MHz, peripherals 120 MHz */
enum { PATIENCE = 100000 }; /* turns to wait for an oscillator that may not be there */

static void wait_for(volatile uint32_t *reg, uint32_t mask) {
    while ((*reg & mask) == 0) {
    }
}

/* Core voltage VOS0, which 480 MHz needs: first VOS1 from the LDO, then overdrive. */
static void raise_voltage(void) {
    PWR_CR3 = (PWR_CR3 & ~7u) | 2u; /* LDO on, SMPS and bypass off */
    wait_for(&PWR_CSR1, 1u << 13);  /* ACTVOSRDY */
    PWR_D3CR = 3u << 14;
    wait_for(&PWR_D3CR, 1u << 13); /* VOSRDY */
    RCC_APB4ENR |= 1u << 1;        /* SYSCFG */
    SYSCFG_PWRCR |= 1u;            /* ODEN */
    wait_for(&PWR_D3CR, 1u << 13);
}

/* 2 MHz to the PLL, 960 MHz from its oscillator, 480 MHz to the core. The reference is the 8 MHz that a Nucleo's
 * debugger feeds to OSC_IN; on a board without it, the internal 64 MHz oscillator. */
static void raise_clock(void) {
    uint32_t source = 2, divider = 4;
    RCC_CR |= 1u << 18; /* HSEBYP */
    RCC_CR |= 1u << 16; /* HSEON */
    for (uint32_t i = 0; (RCC_CR & (1u << 17)) == 0; i++) {
        if (i == PATIENCE) {
            source = 0;
            divider = 32;
            break;
        }
    }
    FLASH_ACR = (FLASH_ACR & ~0x3Fu) | 0x24u; /* four wait states, signal delay for 240 MHz */
    while ((FLASH_ACR & 0x3Fu) != 0x24u) {
    }
    RCC_PLLCKSELR = source | divider << 4;
    RCC_PLLCFGR = 1u << 16 | 1u << 2; /* P output on; reference 2 to 4 MHz; wide oscillator */
    RCC_PLL1DIVR = (480u - 1u) | (2u - 1u) << 9 | (8u - 1u) << 16 | (2u - 1u) << 24;
    RCC_CR |= 1u << 24;
    wait_for(&RCC_CR, 1u << 25);
    RCC_D1CFGR = 8u | 4u << 4; /* AHB half the core, APB3 half of that */
    RCC_D2CFGR = 4u << 4 | 4u << 8;
    RCC_D3CFGR = 4u << 4;
    RCC_CFGR = (RCC_CFGR & ~7u) | 3u;
    while (((RCC_CFGR >> 3) & 7u) != 3u) {
    }
}

static void mpu_region(uint32_t number, uint32_t base, uint32_t log2_size, uint32_t attributes) {
    MPU_RNR = number;
    MPU_RBAR = base;
    MPU_RASR = attributes | (log2_size - 1u) << 1 | 1u;
}

/* The default map caches every RAM. Only the QSPI range needs care: the core may read ahead into it before the flash
 * answers, which hangs the bus, so all of it is off limits except the flash itself. */
static void protect_memory(void) {
    MPU_CTRL = 0;
    mpu_region(0, 0x90000000u, 28, 1u << 28 | 0u << 24); /* execute never, no access, strongly ordered */
#if EV_QSPI_LOG2_SIZE > 0
    mpu_region(1, 0x90000000u, EV_QSPI_LOG2_SIZE, 1u << 28 | 6u << 24 | 1u << 17); /* read only, write through */
#endif
    MPU_CTRL = 5; /* on, default map behind it */
    ev_barrier();
}

static void enable_caches(void) {
    ev_barrier();
    SCB_ICIALLU = 0;
    ev_barrier();
    SCB_CCR |= 1u << 17;
    ev_barrier();
    SCB_CSSELR = 0;
    ev_barrier();
    uint32_t last_set = (SCB_CCSIDR >> 13) & 0x7FFFu, last_way = (SCB_CCSIDR >> 3) & 0x3FFu;
    for (uint32_t set = 0; set <= last_set; set++) {
        for (uint32_t way = 0; way <= last_way; way++) {
            SCB_DCISW = set << 5 | way << 30;
        }
    }
    ev_barrier();
    SCB_CCR |= 1u << 16;
    ev_barrier();
}

static void pin(char port, uint32_t number, uint32_t function) {
    RCC_AHB4ENR |= 1u << (port - 'A');
    (void)RCC_AHB4ENR;
    GPIO_AFR(port, number / 8) = (GPIO_AFR(port, number / 8) & ~(15u << number % 8 * 4)) | function << number % 8 * 4;
    GPIO_OSPEEDR(port) |= 3u << number * 2;
    GPIO_MODER(port) = (GPIO_MODER(port) & ~(3u << number * 2)) | 2u << number * 2;
}

#if EV_QSPI_LOG2_SIZE > 0
/* Memory-mapped reads with command 0x6B (one line for command and address, four for data, eight dummy cycles), which
 * every quad flash knows once its QE bit is set. Pins as on ST's evaluation boards. */
static void map_qspi(void) {
    pin('B', 2, 9);  /* CLK */
    pin('B', 6, 10); /* NCS */
    pin('D', 11, 9); /* IO0 */
    pin('D', 12, 9); /* IO1 */
    pin('E', 2, 9);  /* IO2 */
    pin('D', 13, 9); /* IO3 */
    RCC_AHB3ENR |= 1u << 14;
    (void)RCC_AHB3ENR;
    QUADSPI_CR = 2u << 24 | 1u << 4; /* 240 MHz / 3, sample half a cycle later */
    QUADSPI_DCR = (EV_QSPI_LOG2_SIZE - 1u) << 16;
    QUADSPI_CR |= 1u;
    while ((QUADSPI_SR & (1u << 5)) != 0) {
    }
    QUADSPI_CCR = 3u << 26 | 3u << 24 | 8u << 18 | 2u << 12 | 1u << 10 | 1u << 8 | 0x6Bu;
    ev_barrier();
}
#endif

/* USART3 on PD8 (out) and PD9 (in), the serial port of a Nucleo's debugger. The 16-byte FIFO carries the bytes that
 * arrive while a request is answered. */
static void open_serial(void) {
    pin('D', 8, 7);
    pin('D', 9, 7);
    RCC_APB1LENR |= 1u << 18;
    (void)RCC_APB1LENR;
    USART3_BRR = (ev_core_hz / PCLK1_DIVIDER + ev_baud / 2) / ev_baud;
    USART3_CR1 = 1u << 29 | 1u << 3 | 1u << 2 | 1u; /* FIFO, transmit, receive, on */
}

void ev_machine_start(void) {
    raise_voltage();
    raise_clock();
    RCC_AHB2ENR |= 7u << 29; /* SRAM1 to SRAM3 */
    (void)RCC_AHB2ENR;
    protect_memory();
#if EV_QSPI_LOG2_SIZE > 0
    map_qspi();
#endif
    enable_caches();
    open_serial();
    DEMCR |= 1u << 24; /* TRCENA */
    DWT_LAR = 0xC5ACCE55u;
}

volatile uint32_t *ev_port_dwt(void) {
    return (volatile uint32_t *)(uintptr_t)DWT_BASE;
}

uint8_t ev_port_read(void) {
    while ((USART3_ISR & (1u << 5)) == 0) {
        if ((USART3_ISR & 15u) != 0) {
            USART3_ICR = 15u; /* overrun, noise, framing, parity: the CRC tells what was lost */
        }
    }
    return (uint8_t)USART3_RDR;
}

void ev_port_write(const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        wait_for(&USART3_ISR, 1u << 7);
        USART3_TDR = bytes[i];
    }
}

void ev_machine_drain(void) {
    wait_for(&USART3_ISR, 1u << 6);
}
