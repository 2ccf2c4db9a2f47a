// What the virtual board compiles for the workstation: cycle counting per basic block, and its serial port.
#ifndef EVBENCH_BLOCK_TIMING_H
#define EVBENCH_BLOCK_TIMING_H
#include <stdint.h>

typedef struct uc_struct uc_engine;

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { CYCLE_FRACTION = 16 };  // cycles are counted in sixteenths: an expected bank conflict costs half a cycle

#endif
