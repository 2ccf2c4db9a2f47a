// When the machine must stop before its next block: another thread asks, a time has come, or an exception is due.
#ifndef EVBENCH_ATTENTION_H
#define EVBENCH_ATTENTION_H
#include "block_timing.h"

typedef int (*stop_fn)(uc_engine *);
typedef int (*register_fn)(uc_engine *, int id, void *value);

enum { MASK_REGISTERS = 3, NOTHING_PENDING = 256 };

// pending, running: priorities of the exception that waits and of the code that runs, without the mask registers.
typedef struct {
  volatile uint32_t requested;
  uint32_t stopped, sleeping;
  uint64_t due;  // sixteenths of a cycle
  int32_t pending, running, group_mask;
  stop_fn stop;
  register_fn read_register;
  int32_t mask_ids[MASK_REGISTERS];  // Unicorn's names of PRIMASK, BASEPRI, FAULTMASK
} attention;

int attention_masked(const attention *state, uc_engine *uc);

// Whether the machine has been told to stop; `now` in sixteenths of a cycle.
static inline int attention_wanted(attention *state, uc_engine *uc, uint64_t now) {
  if (!state->requested && now < state->due &&
      (state->pending >= state->running || attention_masked(state, uc)))
    return 0;
  state->stopped = 1;
  state->stop(uc);
  return 1;
}

#endif
