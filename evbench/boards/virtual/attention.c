#include "attention.h"

enum { PRIMASK, BASEPRI, FAULTMASK };

static uint32_t mask_register(const attention *state, uc_engine *uc, uint32_t which) {
  uint32_t value = 0;
  state->read_register(uc, state->mask_ids[which], &value);
  return value;
}

// Whether the core's mask registers hold back the exception that waits (Armv7-M manual B1.5.4).
int attention_masked(const attention *state, uc_engine *uc) {
  int32_t limit = state->running;
  int32_t base = (int32_t)mask_register(state, uc, BASEPRI) & state->group_mask;
  if (base && base < limit) limit = base;
  if ((mask_register(state, uc, PRIMASK) & 1) && limit > 0) limit = 0;
  if ((mask_register(state, uc, FAULTMASK) & 1) && limit > -1) limit = -1;
  return state->pending >= limit;
}
