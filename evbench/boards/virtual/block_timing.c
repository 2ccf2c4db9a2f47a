// Counts cycles while Unicorn runs: called once per basic block and, in the data-cache pass, once per instruction.
//
// Calls per instruction make the machine ten times slower, so the data-cache pass looks at samples: the first million
// instructions of every layer exactly, then a part of each further stretch, whose rate of misses stands for the rest.
// What the cache held before a sample is unknown, so a sample counts misses only in sets whose ways have all been filled
// since it began ("primed sets": Laha, Patel and Iyer, IEEE Transactions on Computers 37(11), 1988).
//
// The cost of a block depends on the block before it; Python computes it once per pair and it is kept in a hash
// table. Added here: branch prediction, the instruction cache, the data cache and the wait states behind them.
// Caches are those of the STM32H743 (RM0433 section 2): 16 KiB each, lines of 32 bytes, instruction cache 2-way, data
// cache 4-way; lines are replaced least recently used first in the instruction cache, in turn in the data cache.
#include "attention.h"

enum {
  EDGE_BITS = 16,
  EDGE_LIMIT = 3 << (EDGE_BITS - 2),  // the table starts anew when it is three quarters full
  LINE_BITS = 5,
  INSTRUCTION_SETS = 256,
  DATA_SETS = 128,
  DATA_WAYS = 4,
  PREDICTOR_ENTRIES = 1024,
  REGIONS = 8,
  MISPREDICTION_CYCLES = 7,  // 6 to 8, by how early the flags are set: jnk0le/random doc/cortex_m7.md
  INDIRECT_CYCLES = 3,       // a target that is not in the instruction itself
  WRITE_MISS_SHIFT = 2,      // the store buffer hides three quarters of a write miss
  NO_ADDRESS = 0xFFFFFFFF,
  PLAN_BITS = 16,
  NO_REGISTER = 255,
  PROGRAM_COUNTER = 15,
  CORE_REGISTERS = 16,
  // Lengths of the phases of the data-cache pass, in instructions.
  LAYER_START = 1000000,
  RESTING = 6000000,
  WARMING = 200000,
  MEASURING = 300000,
  RATE_UNIT = 1024,  // a rate of misses is sixteenths of a cycle per so many instructions
};

enum counted { COUNT_NOTHING, COUNT_INSTRUCTIONS, COUNT_CYCLES };

enum sampling_phase { PHASE_OFF, PHASE_MEASURING, PHASE_RESTING, PHASE_WARMING };

enum branch { BRANCH_NONE, BRANCH_CONDITIONAL, BRANCH_RETURN, BRANCH_INDIRECT };

typedef struct {
  uint32_t previous, current;
  uint32_t cost;  // sixteenths of a cycle
  uint16_t instructions;
  uint8_t branch;
} edge;

// Memory that goes through the caches; costs are cycles per missed line.
typedef struct {
  uint32_t start, end, instruction_miss, data_miss;
} region;

// Which memory an instruction touches: base + (index << shift) + offset, `bytes` long; accesses.py says which.
typedef struct {
  uint32_t pc;
  int32_t offset;
  uint16_t bytes;
  uint8_t base, index, shift, write;
} access_plan;

// Returns cost in sixteenths | instructions << 32 | branch << 48.
typedef uint64_t (*edge_cost_fn)(uint32_t previous, uint32_t address, uint32_t size, uint32_t taken);
typedef void (*plan_access_fn)(uint32_t pc, access_plan *plan);

typedef struct {
  uint64_t cycles, instructions, blocks, mispredictions, instruction_misses, data_misses, data_accesses, edges;
  attention attention;
  uint32_t counted;
  uint32_t phase, layer_end, layer_end_seen;
  uint64_t phase_ends, phase_began, phase_miss_cycles, rate;
  uint32_t previous, previous_end, previous_branch;
  edge_cost_fn edge_cost;
  plan_access_fn plan_access;
  int32_t register_ids[CORE_REGISTERS];
  region regions[REGIONS];
  uint8_t predictor[PREDICTOR_ENTRIES];
  uint32_t instruction_lines[INSTRUCTION_SETS][2];
  uint8_t instruction_victim[INSTRUCTION_SETS];
  uint32_t data_lines[DATA_SETS][DATA_WAYS];
  uint8_t data_victim[DATA_SETS], data_filled[DATA_SETS];
  edge edges_known[1 << EDGE_BITS];
  access_plan plans[1 << PLAN_BITS];
} block_timing;

EXPORT uint32_t block_timing_size(void) { return sizeof(block_timing); }

// Forgets costs, predictions and cached lines, as after new code in flash; counters go on.
EXPORT void block_timing_forget(block_timing *timing) {
  timing->edges = 0;
  timing->previous = timing->previous_end = NO_ADDRESS;
  timing->previous_branch = BRANCH_NONE;
  for (uint32_t i = 0; i < 1u << EDGE_BITS; i++) timing->edges_known[i] = (edge){0};
  for (uint32_t i = 0; i < 1u << PLAN_BITS; i++) timing->plans[i].pc = NO_ADDRESS;
  for (uint32_t i = 0; i < PREDICTOR_ENTRIES; i++) timing->predictor[i] = 0;
  for (uint32_t i = 0; i < INSTRUCTION_SETS; i++) {
    timing->instruction_lines[i][0] = timing->instruction_lines[i][1] = NO_ADDRESS;
    timing->instruction_victim[i] = 0;
  }
  for (uint32_t i = 0; i < DATA_SETS; i++) {
    for (uint32_t way = 0; way < DATA_WAYS; way++) timing->data_lines[i][way] = NO_ADDRESS;
    timing->data_victim[i] = timing->data_filled[i] = 0;
  }
}

EXPORT void block_timing_init(block_timing *timing, edge_cost_fn edge_cost, stop_fn stop, register_fn read,
                              const int32_t *mask_ids) {
  timing->edge_cost = edge_cost;
  timing->attention = (attention){
      .due = UINT64_MAX, .pending = NOTHING_PENDING, .running = NOTHING_PENDING, .stop = stop, .read_register = read};
  for (uint32_t i = 0; i < MASK_REGISTERS; i++) timing->attention.mask_ids[i] = mask_ids[i];
  timing->counted = COUNT_CYCLES;
  block_timing_forget(timing);
}

// What the data-cache pass needs: how to learn an instruction's access, and Unicorn's names of r0 to r15.
EXPORT void block_timing_accesses(block_timing *timing, plan_access_fn plan_access, const int32_t *register_ids) {
  timing->plan_access = plan_access;
  for (uint32_t i = 0; i < CORE_REGISTERS; i++) timing->register_ids[i] = register_ids[i];
}

EXPORT void block_timing_region(block_timing *timing, uint32_t index, uint32_t start, uint32_t size,
                                uint32_t instruction_miss, uint32_t data_miss) {
  timing->regions[index] = (region){start, start + size, instruction_miss, data_miss};
}

// What the counter of cycles counts: nothing (0), instructions (1) or cycles (2).
EXPORT void block_timing_set_counted(block_timing *timing, uint32_t counted) {
  timing->counted = counted;
  timing->previous = timing->previous_end = NO_ADDRESS;
  timing->previous_branch = BRANCH_NONE;
}

static void prime_sets(block_timing *timing, uint8_t filled) {
  for (uint32_t i = 0; i < DATA_SETS; i++) timing->data_filled[i] = filled;
}

// Starts or ends the data-cache pass; a block at `layer_end` says that a layer has ended. Without one (1) every access
// is looked up.
EXPORT void block_timing_sample(block_timing *timing, uint32_t on, uint32_t layer_end) {
  timing->phase = on ? PHASE_MEASURING : PHASE_OFF;
  timing->layer_end = layer_end;
  timing->layer_end_seen = 0;
  timing->phase_began = timing->instructions;
  timing->phase_ends = layer_end == 1 ? UINT64_MAX : timing->instructions + LAYER_START;
  timing->phase_miss_cycles = timing->rate = 0;
  prime_sets(timing, DATA_WAYS);
}

// Whether block_timing_instruction should be hooked now; the machine stops when the answer changes.
EXPORT uint32_t block_timing_wants_accesses(const block_timing *timing) {
  return timing->phase == PHASE_MEASURING || timing->phase == PHASE_WARMING;
}

EXPORT void block_timing_request_stop(block_timing *timing, uint32_t requested) {
  timing->attention.requested = requested;
}

// When to stop by itself: at a cycle, or as soon as an exception of priority `pending` may interrupt what runs.
EXPORT void block_timing_watch(block_timing *timing, uint64_t due, int32_t pending, int32_t running,
                               int32_t group_mask) {
  timing->attention.due = due > UINT64_MAX / CYCLE_FRACTION ? UINT64_MAX : due * CYCLE_FRACTION;
  timing->attention.pending = pending;
  timing->attention.running = running;
  timing->attention.group_mask = group_mask;
}

// Whether the machine was told to stop since the last call (1), or runs in circles (2).
EXPORT uint32_t block_timing_take_stopped(block_timing *timing) {
  uint32_t stopped = timing->attention.sleeping ? 2 : timing->attention.stopped;
  timing->attention.stopped = timing->attention.sleeping = 0;
  return stopped;
}

// Lets time pass while no instruction runs.
EXPORT void block_timing_advance(block_timing *timing, uint64_t cycles) {
  if (timing->counted == COUNT_CYCLES) timing->cycles += cycles * CYCLE_FRACTION;
}

EXPORT uint64_t block_timing_cycles(const block_timing *timing) { return timing->cycles / CYCLE_FRACTION; }

// cycles, instructions, blocks, mispredictions, instruction misses, data misses, data accesses, edges
EXPORT void block_timing_counters(const block_timing *timing, uint64_t *out) {
  const uint64_t *counter = &timing->cycles;
  for (uint32_t i = 0; i < 8; i++) out[i] = counter[i];
  out[0] /= CYCLE_FRACTION;
}

static const region *find_region(const block_timing *timing, uint32_t address) {
  for (uint32_t i = 0; i < REGIONS; i++) {
    if (address >= timing->regions[i].start && address < timing->regions[i].end) return &timing->regions[i];
  }
  return 0;
}

static void fetch_line(block_timing *timing, uint32_t line, uint32_t miss_cycles) {
  uint32_t set = line & (INSTRUCTION_SETS - 1);
  uint32_t *ways = timing->instruction_lines[set];
  if (ways[0] == line) {
    timing->instruction_victim[set] = 1;
  } else if (ways[1] == line) {
    timing->instruction_victim[set] = 0;
  } else {
    timing->instruction_misses++;
    timing->cycles += (uint64_t)miss_cycles * CYCLE_FRACTION;
    uint8_t victim = timing->instruction_victim[set];
    ways[victim] = line;
    timing->instruction_victim[set] = !victim;
  }
}

static void fetch(block_timing *timing, uint32_t address, uint32_t size) {
  uint32_t first = address >> LINE_BITS, last = (address + size - 1) >> LINE_BITS;
  for (uint32_t line = first; line <= last; line++) {
    uint32_t *ways = timing->instruction_lines[line & (INSTRUCTION_SETS - 1)];
    if (ways[0] == line) {
      timing->instruction_victim[line & (INSTRUCTION_SETS - 1)] = 1;
      continue;
    }
    const region *where = find_region(timing, line << LINE_BITS);
    if (where) fetch_line(timing, line, where->instruction_miss);
  }
}

// A two-bit counter per branch address, 0 and 1 predicting "not taken".
static void predict(block_timing *timing, uint32_t branch_end, uint32_t taken) {
  uint8_t *state = &timing->predictor[(branch_end >> 1) & (PREDICTOR_ENTRIES - 1)];
  if ((*state >= 2) != taken) {
    timing->mispredictions++;
    timing->cycles += MISPREDICTION_CYCLES * CYCLE_FRACTION;
  }
  if (taken && *state < 3) (*state)++;
  if (!taken && *state > 0) (*state)--;
}

static edge *find_edge(block_timing *timing, uint32_t address, uint32_t size, uint32_t taken) {
  uint32_t hash = ((address >> 1) * 2654435761u ^ (timing->previous >> 1) * 0x9E3779B1u) >> (32 - EDGE_BITS);
  for (;; hash = (hash + 1) & ((1u << EDGE_BITS) - 1)) {
    edge *found = &timing->edges_known[hash];
    if (found->current == address && found->previous == timing->previous && found->instructions) return found;
    if (!found->instructions) {
      if (timing->edges >= EDGE_LIMIT) {
        for (uint32_t i = 0; i < 1u << EDGE_BITS; i++) timing->edges_known[i] = (edge){0};
        timing->edges = 0;
      }
      uint64_t cost = timing->edge_cost(timing->previous, address, size, taken);
      uint16_t instructions = (uint16_t)(cost >> 32);
      *found = (edge){timing->previous, address, (uint32_t)cost, instructions ? instructions : 1, (uint8_t)(cost >> 48)};
      timing->edges++;
      return found;
    }
  }
}

static void begin_phase(block_timing *timing, uint32_t phase, uint64_t length) {
  timing->phase = phase;
  timing->phase_began = timing->instructions;
  timing->phase_ends = timing->instructions + length;
  timing->phase_miss_cycles = 0;
}

static void take_rate(block_timing *timing) {
  uint64_t instructions = timing->instructions - timing->phase_began;
  if (instructions) timing->rate = timing->phase_miss_cycles * RATE_UNIT / instructions;
}

// Moves from phase to phase; returns 1 when the machine must stop to hook or unhook instructions.
static int next_phase(block_timing *timing, uint32_t address) {
  uint32_t wanted = block_timing_wants_accesses(timing);
  if (address == timing->layer_end && !timing->layer_end_seen) {
    timing->layer_end_seen = 1;
    begin_phase(timing, PHASE_MEASURING, LAYER_START);
    prime_sets(timing, DATA_WAYS);
  } else if (timing->instructions >= timing->phase_ends) {
    if (timing->phase == PHASE_MEASURING) {
      take_rate(timing);
      begin_phase(timing, PHASE_RESTING, RESTING);
    } else if (timing->phase == PHASE_RESTING) {
      begin_phase(timing, PHASE_WARMING, WARMING);
      prime_sets(timing, 0);
    } else {
      begin_phase(timing, PHASE_MEASURING, MEASURING);
    }
  }
  if (address != timing->layer_end) timing->layer_end_seen = 0;
  return wanted != block_timing_wants_accesses(timing);
}

// The cycles of a block: its cost after the block before it, what prediction and caches add.
static void charge(block_timing *timing, const edge *known, uint32_t address, uint32_t size, uint32_t taken) {
  timing->cycles += known->cost;
  if (timing->phase == PHASE_RESTING || timing->phase == PHASE_WARMING) {
    timing->cycles += known->instructions * timing->rate / RATE_UNIT;
  }
  if (timing->previous_branch == BRANCH_CONDITIONAL) {
    predict(timing, timing->previous_end, taken);
  } else if (timing->previous_branch == BRANCH_INDIRECT) {
    timing->cycles += INDIRECT_CYCLES * CYCLE_FRACTION;
  }
  fetch(timing, address, size);
}

// UC_HOOK_BLOCK
EXPORT void block_timing_block(uc_engine *uc, uint64_t where, uint32_t size, void *user) {
  block_timing *timing = user;
  uint32_t address = (uint32_t)where;
  // A block before which the machine stops runs, and is counted, when it goes on.
  if (attention_wanted(&timing->attention, uc, timing->cycles)) return;
  if (timing->phase != PHASE_OFF && next_phase(timing, address)) {
    timing->attention.stopped = 1;
    timing->attention.stop(uc);
    return;
  }
  uint32_t taken = address != timing->previous_end;
  edge *known = 0;
  if (timing->counted != COUNT_NOTHING) {
    known = find_edge(timing, address, size, taken);
    // An instruction that branches to itself goes on until an interrupt: the core may as well sleep.
    if (address == timing->previous && known->instructions == 1) {
      timing->attention.sleeping = 1;
      timing->attention.stop(uc);
      return;
    }
  }
  timing->blocks++;
  if (!known) return;
  timing->instructions += known->instructions;
  if (timing->counted == COUNT_INSTRUCTIONS) {
    timing->cycles += (uint64_t)known->instructions * CYCLE_FRACTION;
  } else {
    charge(timing, known, address, size, taken);
  }
  timing->previous = address;
  timing->previous_end = address + size;
  timing->previous_branch = known->branch;
}

static void touch(block_timing *timing, uint32_t line, uint32_t write) {
  uint32_t set = line & (DATA_SETS - 1);
  uint32_t *ways = timing->data_lines[set];
  timing->data_accesses++;
  for (uint32_t way = 0; way < DATA_WAYS; way++) {
    if (ways[way] == line) return;
  }
  const region *from = find_region(timing, line << LINE_BITS);
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
