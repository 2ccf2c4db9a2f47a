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
#include "timing_state.h"

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

EXPORT void block_timing_init(block_timing *timing, price_fn price, stop_fn stop, register_fn read,
                              const int32_t *mask_ids) {
  timing->price = price;
  timing->attention = (attention){
      .due = UINT64_MAX, .pending = NOTHING_PENDING, .running = NOTHING_PENDING, .stop = stop, .read_register = read};
  for (uint32_t i = 0; i < MASK_REGISTERS; i++) timing->attention.mask_ids[i] = mask_ids[i];
  timing->counted = COUNT_CYCLES;
  block_timing_forget(timing);
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

// Watches a layer from now on, see watch() below; `start` 0 ends it. What has been counted is forgotten.
EXPORT void block_timing_watch_layer(block_timing *timing, uint32_t start, uint32_t layer_end, uint32_t layer) {
  for (uint32_t i = 0; i < 1u << EDGE_BITS; i++) timing->counts[i] = (edge_count){0};
  timing->watch_start = start;
  timing->watch_end = layer_end;
  timing->watched_layer = layer;
  timing->layer = NO_ADDRESS;
  timing->watching = timing->end_seen = 0;
}

// The next pair of blocks that was met while the layer ran, from table index `from` on: previous, current, cost in
// sixteenths, hits, cycles mispredicted and waited for instruction lines, sixteenths waited for stores. Returns the index after it, 0 at the end.
EXPORT uint32_t block_timing_watched(const block_timing *timing, uint32_t from, uint64_t *out) {
  for (uint32_t i = from; i < 1u << EDGE_BITS; i++) {
    const edge *known = &timing->edges_known[i];
    const edge_count *count = &timing->counts[i];
    if (!count->hits) continue;
    const uint64_t values[] = {known->previous, known->current,          known->price.cost,
                               count->hits,     count->misprediction_cycles, count->line_cycles, count->store_wait};
    for (uint32_t k = 0; k < 7; k++) out[k] = values[k];
    return i + 1;
  }
  return 0;
}

const region *block_timing_find_region(const block_timing *timing, uint32_t address) {
  for (uint32_t i = 0; i < REGIONS; i++) {
    if (address >= timing->regions[i].start && address < timing->regions[i].end) return &timing->regions[i];
  }
  return 0;
}

static void fetch_line(block_timing *timing, edge_count *count, uint32_t line, uint32_t miss_cycles) {
  uint32_t set = line & (INSTRUCTION_SETS - 1);
  uint32_t *ways = timing->instruction_lines[set];
  if (ways[0] == line) {
    timing->instruction_victim[set] = 1;
  } else if (ways[1] == line) {
    timing->instruction_victim[set] = 0;
  } else {
    timing->instruction_misses++;
    timing->cycles += (uint64_t)miss_cycles * CYCLE_FRACTION;
    count->line_cycles += miss_cycles;
    uint8_t victim = timing->instruction_victim[set];
    ways[victim] = line;
    timing->instruction_victim[set] = !victim;
  }
}

static void fetch(block_timing *timing, edge_count *count, uint32_t address, uint32_t size) {
  uint32_t first = address >> LINE_BITS, last = (address + size - 1) >> LINE_BITS;
  for (uint32_t line = first; line <= last; line++) {
    uint32_t *ways = timing->instruction_lines[line & (INSTRUCTION_SETS - 1)];
    if (ways[0] == line) {
      timing->instruction_victim[line & (INSTRUCTION_SETS - 1)] = 1;
      continue;
    }
    const region *where = block_timing_find_region(timing, line << LINE_BITS);
    if (where) fetch_line(timing, count, line, where->instruction_miss);
  }
}

// A two-bit counter per branch address, 0 and 1 predicting "not taken".
static void predict(block_timing *timing, edge_count *count, uint32_t branch_end, uint32_t taken) {
  uint8_t *state = &timing->predictor[(branch_end >> 1) & (PREDICTOR_ENTRIES - 1)];
  if ((*state >= 2) != taken) {
    timing->mispredictions++;
    timing->cycles += timing->previous_misprediction * CYCLE_FRACTION;
    count->misprediction_cycles += timing->previous_misprediction;
  }
  if (taken && *state < 3) (*state)++;
  if (!taken && *state > 0) (*state)--;
}

static edge *find_edge(block_timing *timing, uint32_t address, uint32_t size, uint32_t taken) {
  uint32_t hash = ((address >> 1) * 2654435761u ^ (timing->previous >> 1) * 0x9E3779B1u) >> (32 - EDGE_BITS);
  for (;; hash = (hash + 1) & ((1u << EDGE_BITS) - 1)) {
    edge *found = &timing->edges_known[hash];
    if (found->current == address && found->previous == timing->previous && found->price.instructions) return found;
    if (!found->price.instructions) {
      if (timing->edges >= EDGE_LIMIT) {
        for (uint32_t i = 0; i < 1u << EDGE_BITS; i++) timing->edges_known[i] = (edge){0};
        timing->edges = 0;
      }
      *found = (edge){.previous = timing->previous, .current = address};
      timing->price(timing->previous, address, size, taken, &found->price);
      if (!found->price.instructions) found->price.instructions = 1;
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

// The store buffer takes in a block's stores and works them off meanwhile; a full one makes the core wait.
static void drain_stores(block_timing *timing, edge_count *count, uint32_t drain, uint64_t passed) {
  uint64_t backlog = timing->store_backlog + drain;
  backlog = backlog > passed ? backlog - passed : 0;
  if (backlog > STORE_BUFFER) {
    uint64_t wait = backlog - STORE_BUFFER;
    timing->cycles += wait;
    count->store_wait += wait;
    backlog = STORE_BUFFER;
  }
  timing->store_backlog = (uint32_t)backlog;
}

// The cycles of a block: its cost after the block before it, what prediction and caches add.
static void charge(block_timing *timing, const edge *known, uint32_t address, uint32_t size, uint32_t taken) {
  edge_count *count = timing->watching ? &timing->counts[known - timing->edges_known] : &timing->unwatched;
  uint64_t before = timing->cycles;
  count->hits++;
  timing->cycles += known->price.cost;
  if (timing->phase == PHASE_RESTING || timing->phase == PHASE_WARMING) {
    timing->cycles += known->price.instructions * timing->rate / RATE_UNIT;
  }
  if (timing->previous_branch == BRANCH_CONDITIONAL) {
    predict(timing, count, timing->previous_end, taken);
  } else if (timing->previous_branch == BRANCH_INDIRECT) {
    timing->cycles += INDIRECT_CYCLES * CYCLE_FRACTION;
  }
  fetch(timing, count, address, size);
  drain_stores(timing, count, known->price.store_drain, timing->cycles - before);
}

// Watches one layer: from the (layer)th arrival at `watch_end` after `watch_start`, or from there, to the next.
static void watch(block_timing *timing, uint32_t address) {
  if (address == timing->watch_start) {
    timing->layer = 0;
  } else if (address == timing->watch_end && !timing->end_seen) {
    timing->layer++;
  }
  timing->end_seen = address == timing->watch_end;
  timing->watching = timing->layer == timing->watched_layer;
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
    if (address == timing->previous && known->price.instructions == 1) {
      timing->attention.sleeping = 1;
      timing->attention.stop(uc);
      return;
    }
  }
  timing->blocks++;
  if (!known) return;
  if (timing->watch_start) watch(timing, address);
  timing->instructions += known->price.instructions;
  if (timing->counted == COUNT_INSTRUCTIONS) {
    timing->cycles += (uint64_t)known->price.instructions * CYCLE_FRACTION;
  } else {
    charge(timing, known, address, size, taken);
  }
  timing->previous = address;
  timing->previous_end = address + size;
  timing->previous_branch = known->price.branch;
  timing->previous_misprediction = known->price.misprediction;
}
