// The state of cycle counting, shared by block_timing.c and data_cache.c.
#ifndef EVBENCH_TIMING_STATE_H
#define EVBENCH_TIMING_STATE_H
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
  INDIRECT_CYCLES = 3,   // a target that is not in the instruction itself
  WRITE_MISS_SHIFT = 2,  // the store buffer hides three quarters of a write miss
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
  // Five narrow stores of 2.4 cycles each, in sixteenths: jnk0le/random doc/cortex_m7.md.
  STORE_BUFFER = 5 * 38,
  RATE_UNIT = 1024,  // a rate of misses is sixteenths of a cycle per so many instructions
};

enum counted { COUNT_NOTHING, COUNT_INSTRUCTIONS, COUNT_CYCLES };

enum sampling_phase { PHASE_OFF, PHASE_MEASURING, PHASE_RESTING, PHASE_WARMING };

enum branch { BRANCH_NONE, BRANCH_CONDITIONAL, BRANCH_RETURN, BRANCH_INDIRECT };

// What a block costs after the block before it.
typedef struct {
  uint32_t cost;  // sixteenths of a cycle
  uint16_t instructions;
  uint16_t store_drain;           // sixteenths of a cycle that its stores keep the store buffer busy
  uint8_t branch, misprediction;  // how the block ends; cycles when that is predicted wrong
} block_price;

typedef struct {
  uint32_t previous, current;
  block_price price;
} edge;

// What one pair of blocks has cost while a layer was watched: besides its cost times `hits`, in cycles.
typedef struct {
  uint64_t hits, misprediction_cycles, line_cycles, store_wait;  // the last in sixteenths
} edge_count;

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

typedef void (*price_fn)(uint32_t previous, uint32_t address, uint32_t size, uint32_t taken, block_price *price);
typedef void (*plan_access_fn)(uint32_t pc, access_plan *plan);

typedef struct {
  uint64_t cycles, instructions, blocks, mispredictions, instruction_misses, data_misses, data_accesses, edges;
  attention attention;
  uint32_t counted;
  uint32_t phase, layer_end, layer_end_seen;
  uint64_t phase_ends, phase_began, phase_miss_cycles, rate;
  uint32_t previous, previous_end, previous_branch, previous_misprediction;
  uint32_t store_backlog;  // sixteenths of a cycle until the store buffer is empty
  uint32_t watch_start, watch_end, watched_layer, layer, watching, end_seen;
  price_fn price;
  plan_access_fn plan_access;
  int32_t register_ids[CORE_REGISTERS];
  region regions[REGIONS];
  uint8_t predictor[PREDICTOR_ENTRIES];
  uint32_t instruction_lines[INSTRUCTION_SETS][2];
  uint8_t instruction_victim[INSTRUCTION_SETS];
  uint32_t data_lines[DATA_SETS][DATA_WAYS];
  uint8_t data_victim[DATA_SETS], data_filled[DATA_SETS];
  edge edges_known[1 << EDGE_BITS];
  edge_count counts[1 << EDGE_BITS], unwatched;
  access_plan plans[1 << PLAN_BITS];
} block_timing;

// The cached memory that an address lies in, 0 when it lies in none.
const region *block_timing_find_region(const block_timing *timing, uint32_t address);

#endif
