/* Registers of every Cortex-M7 (Armv7-M architecture manual, B3.2). */
#ifndef EV_CORE_H
#define EV_CORE_H

#include <stdint.h>

#define EV_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define DWT_BASE 0xE0001000u
#define DWT_LAR EV_REGISTER(0xE0001FB0)
#define DEMCR EV_REGISTER(0xE000EDFC)

#define SCB_VTOR EV_REGISTER(0xE000ED08)
#define SCB_AIRCR EV_REGISTER(0xE000ED0C)
#define SCB_CCR EV_REGISTER(0xE000ED14)
#define SCB_SHCSR EV_REGISTER(0xE000ED24)
#define SCB_CFSR EV_REGISTER(0xE000ED28)
#define SCB_HFSR EV_REGISTER(0xE000ED2C)
#define SCB_MMFAR EV_REGISTER(0xE000ED34)
#define SCB_BFAR EV_REGISTER(0xE000ED38)
#define SCB_CCSIDR EV_REGISTER(0xE000ED80)
#define SCB_CSSELR EV_REGISTER(0xE000ED84)
#define SCB_ICIALLU EV_REGISTER(0xE000EF50)
#define SCB_DCISW EV_REGISTER(0xE000EF60)

#define MPU_CTRL EV_REGISTER(0xE000ED94)
#define MPU_RNR EV_REGISTER(0xE000ED98)
#define MPU_RBAR EV_REGISTER(0xE000ED9C)
#define MPU_RASR EV_REGISTER(0xE000EDA0)

static inline void ev_barrier(void) {
    __asm__ volatile("dsb\n isb" : : : "memory");
}

#endif
