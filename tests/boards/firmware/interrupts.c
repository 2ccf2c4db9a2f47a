// Answers one-letter commands with a line of text, all of it by interrupt: what the tests of exceptions ask a core to do.
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
#ifndef UART
#define UART 0x40004800  // USART3
#define UART_IRQ 39
#endif
#define TIM2 0x40000000
#define NVIC_ENABLE(irq) (REG(0xE000E100 + 4 * ((irq) / 32)) = 1u << (irq) % 32)
#define NVIC_PEND(irq) (REG(0xE000E200 + 4 * ((irq) / 32)) = 1u << (irq) % 32)
#define NVIC_PRIORITY(irq) (*(volatile uint8_t *)(uintptr_t)(0xE000E400 + (irq)))
#define SYSTEM_PRIORITY(number) (*(volatile uint8_t *)(uintptr_t)(0xE000ED14 + (number)))

enum { RING = 256, LOW = 5, HIGH = 6, CR1_ON = 0xD, RECEIVE = 1 << 5, EMPTY = 1 << 7 };

static volatile uint8_t in[RING], out[RING];
static volatile uint32_t in_head, in_tail, out_head, out_tail;
static volatile uint32_t ticks, updates;
static volatile char order[16];
static volatile uint32_t ordered;

static void note(char what) {
  if (ordered < sizeof order - 1) order[ordered++] = what;
}

// HAL changes control registers by exclusive accesses.
static void change_control(uint32_t clear, uint32_t set) {
  uint32_t value, failed;
  do {
    __asm__ volatile("ldrex %0, [%1]" : "=r"(value) : "r"(UART));
    value = (value & ~clear) | set;
    __asm__ volatile("strex %0, %1, [%2]" : "=&r"(failed) : "r"(value), "r"(UART) : "memory");
  } while (failed);
}

static void on_uart(void) {
  uint32_t status = REG(UART + 0x1C);
  if (status & RECEIVE) in[in_head++ % RING] = (uint8_t)REG(UART + 0x24);
  if ((status & EMPTY) && (REG(UART) & EMPTY)) {
    if (out_head == out_tail) {
      change_control(EMPTY, 0);
    } else {
      REG(UART + 0x28) = out[out_tail++ % RING];
    }
  }
}

static void put(char byte) {
  while (out_head - out_tail == RING) __asm__ volatile("wfi");
  out[out_head++ % RING] = (uint8_t)byte;
  change_control(0, EMPTY);
}

static void say(const char *text) {
  while (*text) put(*text++);
}

static void say_number(uint32_t number) {
  char digits[11];
  uint32_t n = 0;
  do digits[n++] = (char)('0' + number % 10);
  while (number /= 10);
  while (n) put(digits[--n]);
}

static char take(void) {
  while (in_head == in_tail) __asm__ volatile("wfi");
  return (char)in[in_tail++ % RING];
}

static void on_tick(void) { ticks++; }

static void on_timer(void) {
  REG(TIM2 + 0x10) = 0;
  updates++;
}

// --- nesting ---

static void on_high(void) { note('H'); }

static void on_low(void) {
  note('l');
  NVIC_PEND(HIGH);
  __asm__ volatile("dsb\nisb");
  note('L');
}

static void say_order(void) {
  for (uint32_t i = 0; i < ordered; i++) put(order[i]);
  ordered = 0;
}

// --- supervisor call: returns the sum of its arguments, through the stacked frame ---

__attribute__((used)) static void add_arguments(uint32_t *frame) { frame[0] += frame[1]; }

__attribute__((naked)) static void on_call(void) {
  __asm__ volatile("tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n b add_arguments");
}

static uint32_t call(uint32_t a, uint32_t b) {
  register uint32_t r0 __asm__("r0") = a;
  register uint32_t r1 __asm__("r1") = b;
  __asm__ volatile("svc #1" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

// --- two threads on stacks of their own, switched by PendSV as real-time systems do ---

typedef struct {
  uint32_t *stack;
} thread;

static uint32_t stacks[2][256] __attribute__((aligned(8)));
static thread threads[2];
static volatile uint32_t current;
static volatile float sums[2];
static volatile uint32_t finished;

__attribute__((used)) static uint32_t *switch_thread(uint32_t *stack) {
  threads[current].stack = stack;
  current ^= 1;
  return threads[current].stack;
}

__attribute__((naked)) static void on_switch(void) {
  __asm__ volatile(
      "mrs r0, psp\n"
      "tst lr, #0x10\n it eq\n vstmdbeq r0!, {s16-s31}\n"
      "stmdb r0!, {r4-r11, lr}\n"
      "bl switch_thread\n"
      "ldmia r0!, {r4-r11, lr}\n"
      "tst lr, #0x10\n it eq\n vldmiaeq r0!, {s16-s31}\n"
      "msr psp, r0\n"
      "bx lr");
}

static void yield_thread(void) {
  REG(0xE000ED04) = 1u << 28;
  __asm__ volatile("dsb\nisb" ::: "memory");
}

// The main stack stays as enter_threads left it: handlers leave it as they found it.
__attribute__((naked)) static void enter_threads(uint32_t stack, void (*thread)(uint32_t)) {
  __asm__ volatile(
      "push {r4-r11, lr}\n vpush {s16-s31}\n"
      "msr psp, r0\n movs r2, #2\n msr control, r2\n isb\n"
      "movs r0, #0\n bx r1");
}

__attribute__((naked)) static void back_to_main(void) {
  __asm__ volatile("movs r0, #0\n msr control, r0\n isb\n vpop {s16-s31}\n pop {r4-r11, pc}");
}

// Adds in floating point across switches: wrong when a switch mixes up registers.
static void work(uint32_t self) {
  float sum = 0, step = self ? 0.5f : 2.0f;
  for (uint32_t i = 0; i < 100; i++) {
    sum += step;
    __asm__ volatile("" : "+t"(sum), "+t"(step));
    yield_thread();
  }
  sums[self] = sum;
  finished++;
  while (finished < 2) yield_thread();
  back_to_main();
}

static void make_thread(uint32_t index) {
  uint32_t *top = &stacks[index][256];
  *--top = 1u << 24;                    // xPSR
  *--top = (uint32_t)(uintptr_t)work;   // PC
  for (int i = 0; i < 5; i++) *--top = 0;
  *--top = index;                       // r0
  *--top = 0xFFFFFFFD;                  // EXC_RETURN of a thread without floating-point state
  for (int i = 0; i < 8; i++) *--top = 0;
  threads[index].stack = top;
}

static void run_threads(void) {
  make_thread(1);
  current = finished = 0;
  enter_threads((uint32_t)(uintptr_t)&stacks[0][256], work);  // thread 0 begins by hand
}

// --- faults, each a few calls deep ---

__attribute__((noinline)) static void read_nowhere(void) {
  (void)REG(0xA0000000);
  __asm__ volatile("" ::: "memory");
}
__attribute__((noinline)) static void middle(void) {
  read_nowhere();
  __asm__ volatile("" ::: "memory");
}
__attribute__((noinline)) static void outer(void) {
  middle();
  __asm__ volatile("" ::: "memory");
}
__attribute__((noinline)) static void jump(uint32_t address) {
  ((void (*)(void))(uintptr_t)address)();
  __asm__ volatile("" ::: "memory");
}

static void stop(void) {
  for (;;) {
  }
}

__attribute__((used)) static void note_usage_fault(void) {
  REG(0xE000ED28) = 0xFFFFFFFF;
  note('U');
}

// Skips the two bytes that could not be executed.
__attribute__((naked)) static void on_usage_fault(void) {
  __asm__ volatile("ldr r0, [sp, #24]\n adds r0, #2\n str r0, [sp, #24]\n b note_usage_fault");
}

int main(void);

static void start(void) {
  REG(0xE000ED88) |= 0xFu << 20;  // the FPU
  __asm__ volatile("dsb\nisb");
  in_head = in_tail = out_head = out_tail = ticks = updates = ordered = 0;
  main();
}

// Only the interrupts in use have handlers; the table is written out so that the compiler needs no extension.
__attribute__((section(".vectors"), used)) static void *const vectors[16 + 64] = {
    [0] = (void *)0x20020000, [1] = start,     [2] = stop,      [3] = stop,          [4] = stop,
    [5] = stop,               [6] = on_usage_fault, [11] = on_call,  [14] = on_switch,    [15] = on_tick,
    [16 + LOW] = on_low,      [16 + HIGH] = on_high, [16 + 28] = on_timer, [16 + UART_IRQ] = on_uart,
};

static void start_timer(void) {
  REG(TIM2 + 0x28) = 99;   // prescaler: a hundred
  REG(TIM2 + 0x2C) = 999;  // a hundred thousand input ticks per update
  REG(TIM2 + 0x14) = 1;
  REG(TIM2 + 0x10) = 0;
  REG(TIM2 + 0x0C) = 1;
  REG(TIM2) = 1;
}

int main(void) {
  SYSTEM_PRIORITY(14) = 0xF0;  // PendSV last
  SYSTEM_PRIORITY(15) = 0x80;
  NVIC_PRIORITY(LOW) = 0xC0;
  NVIC_PRIORITY(HIGH) = 0x40;
  NVIC_PRIORITY(UART_IRQ) = 0x60;
  NVIC_ENABLE(LOW);
  NVIC_ENABLE(HIGH);
  NVIC_ENABLE(28);
  NVIC_ENABLE(UART_IRQ);
  REG(UART) = CR1_ON | RECEIVE;
  REG(0xE000E014) = 479999;
  REG(0xE000E018) = 0;
  REG(0xE000E010) = 7;
  say("ready\n");
  for (;;) {
    switch (take()) {
      case 'e':
        for (char byte = take(); byte != '\n'; byte = take()) put(byte);
        break;
      case 't': say_number(ticks); break;
      case 'w': {
        uint32_t until = ticks + 10, sleeps = 0;
        while (ticks < until) {
          __asm__ volatile("wfi");
          sleeps++;
        }
        say_number(sleeps);
        break;
      }
      case 'm': {
        start_timer();
        while (updates < 3) __asm__ volatile("wfi");
        REG(TIM2) = 0;
        say_number(updates);
        updates = 0;
        break;
      }
      case 'c': {
        start_timer();
        uint32_t before = REG(TIM2 + 0x24);
        for (volatile int i = 0; i < 1000; i++) {
        }
        say(REG(TIM2 + 0x24) > before ? "counts" : "stands");
        REG(TIM2) = 0;
        break;
      }
      case 'n': NVIC_PEND(LOW); __asm__ volatile("dsb\nisb"); say_order(); break;
      case 'b': {  // BASEPRI holds back LOW, not HIGH
        uint32_t limit = 0x80, none = 0;
        __asm__ volatile("msr basepri, %0" ::"r"(limit));
        NVIC_PEND(LOW);
        NVIC_PEND(HIGH);
        __asm__ volatile("dsb\nisb");
        note('-');
        __asm__ volatile("msr basepri, %0\nisb" ::"r"(none));
        say_order();
        break;
      }
      case 'p': {  // PRIMASK holds back both; they then run one after the other
        __asm__ volatile("cpsid i");
        NVIC_PEND(HIGH);
        __asm__ volatile("dsb\nisb");
        note('-');
        __asm__ volatile("cpsie i\nisb");
        say_order();
        break;
      }
      case 'k': {  // two handlers, one after the other
        __asm__ volatile("cpsid i");
        NVIC_PRIORITY(HIGH) = 0xC0;
        NVIC_PEND(LOW);
        __asm__ volatile("dsb\n cpsie i\nisb");
        say_order();
        NVIC_PRIORITY(HIGH) = 0x40;
        break;
      }
      case 's': say_number(call(40, 2)); break;
      case 'x': run_threads(); say_number((uint32_t)sums[0]); put(' '); say_number((uint32_t)sums[1]); break;
      case 'u': REG(0xE000ED24) |= 1u << 18; __asm__ volatile("udf #0"); say_order(); break;
      case '1': outer(); break;
      case '2': __asm__ volatile("udf #0"); break;
      case '3': jump(0x08000000); break;
      case '4': jump(0x40000001); break;
      case '5': __asm__ volatile("mov sp, %0\n push {r0}" ::"r"(0x1FFFF000)); break;
      case '6': __asm__ volatile("bkpt #0"); break;
      case '7': REG(0xE000ED08) = 0x60000000; (void)REG(0xA0000000); break;
      default: put('?');
    }
    put('\n');
  }
}
