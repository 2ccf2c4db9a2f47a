// The data cache, looked up per access in the data-cache pass. It is the STM32H743's: 16 KiB, 4 ways, lines of 32 bytes,
// replaced in turn (RM0433 section 2).
#include "timing_state.h"

// What the data-cache pass needs: how to learn an instruction's access, and Unicorn's names of r0 to r15.
EXPORT void block_timing_accesses(block_timing *timing, plan_access_fn plan_access, const int32_t *register_ids) {
  timing->plan_access = plan_access;
  for (uint32_t i = 0; i < CORE_REGISTERS; i++) timing->register_ids[i] = register_ids[i];
}

static void touch(block_timing *timing, uint32_t line, uint32_t write) {
  uint32_t set = line & (DATA_SETS - 1);
  uint32_t *ways = timing->data_lines[set];
  timing->data_accesses++;
  for (uint32_t way = 0; way < DATA_WAYS; way++) {
    if (ways[way] == line) return;
  }
  const region *from = block_timing_find_region(timing, line << LINE_BITS);
  if (!from || !from->data_miss) return;
  timing->data_misses++;
  uint8_t victim = timing->data_victim[set];
  ways[victim] = line;
  timing->data_victim[set] = (victim + 1) & (DATA_WAYS - 1);
  if (timing->data_filled[set] < DATA_WAYS) {
    timing->data_filled[set]++;
    return;
  }
  if (timing->phase != PHASE_MEASURING) return;
  uint64_t cost = (uint64_t)from->data_miss * CYCLE_FRACTION;
  if (write) cost >>= WRITE_MISS_SHIFT;
  timing->phase_miss_cycles += cost;
  timing->cycles += cost;
}

static uint32_t core_register(const block_timing *timing, uc_engine *uc, uint32_t number) {
  uint32_t value = 0;
  timing->attention.read_register(uc, timing->register_ids[number], &value);
  return value;
}

// UC_HOOK_CODE, in the data-cache pass only
EXPORT void block_timing_instruction(uc_engine *uc, uint64_t where, uint32_t size, void *user) {
  (void)size;
  block_timing *timing = user;
  uint32_t pc = (uint32_t)where;
  access_plan *plan = &timing->plans[(pc >> 1) & ((1u << PLAN_BITS) - 1)];
  if (plan->pc != pc) timing->plan_access(pc, plan);
  if (!plan->bytes) return;
  uint32_t address = (uint32_t)plan->offset;
  address += plan->base == PROGRAM_COUNTER ? (pc + 4) & ~3u : core_register(timing, uc, plan->base);
  if (plan->index != NO_REGISTER) address += core_register(timing, uc, plan->index) << plan->shift;
  uint32_t last = (address + plan->bytes - 1) >> LINE_BITS;
  for (uint32_t line = address >> LINE_BITS; line <= last; line++) touch(timing, line, plan->write);
}
