"""The compiled part of the virtual board: block_timing.c and serial_port.c, called through ctypes.

Unicorn calls their functions directly, without Python in between, millions of times per second.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evbench.boards.virtual.accesses import AccessPlan

_SOURCES = ("block_timing.c", "serial_port.c")
_EDGE_COST = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
_PLAN_ACCESS = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.POINTER(AccessPlan))
_EXCHANGE = ctypes.CFUNCTYPE(None, ctypes.c_uint32)
_TAKE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Counters:
    """What the timing model has counted since the machine was made."""

    cycles: int
    instructions: int
    blocks: int
    mispredictions: int
    instruction_misses: int
    data_misses: int
    data_accesses: int
    edges: int


def build_runtime(cache: Path) -> Path:
    """Compiles the shared library, unless `cache` has it already. Raises BuildError when there is no compiler."""
    from evbench.compile.native import build_shared

    here = Path(__file__).resolve().parent
    return build_shared([here / name for name in _SOURCES], "virtual_board", cache, includes=[here])


@functools.cache
def _load(library: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(library))
    loaded.block_timing_cycles.restype = ctypes.c_uint64
    return loaded


class Runtime:
    """The C side of one machine: its cycle counter and its serial port.

    edge_cost(previous, address, size, taken) prices a block when a pair of blocks is met first, in sixteenths of a
    cycle | instructions << 32 | branch kind << 48. exchange(idle) moves bytes over the serial line. stop: uc_emu_stop.
    library: what `build_runtime` returned.
    """

    def __init__(
        self,
        edge_cost: Callable[[int, int, int, int], int],
        exchange: Callable[[int], None],
        stop: Any,
        library: Path,
    ) -> None:
        self._library = _load(library)
        self._timing = ctypes.create_string_buffer(self._library.block_timing_size())
        self._port = ctypes.create_string_buffer(self._library.serial_port_size())
        self._taken = ctypes.create_string_buffer(_TAKE_BYTES)
        self._edge_cost, self._exchange = _EDGE_COST(edge_cost), _EXCHANGE(exchange)
        self._library.block_timing_init(self._timing, self._edge_cost, ctypes.cast(stop, ctypes.c_void_p))
        self._library.serial_port_init(self._port, self._exchange, self._timing)

    # --- what Unicorn is given ---

    @property
    def timing_pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(ctypes.addressof(self._timing))

    @property
    def port_pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(ctypes.addressof(self._port))

    def function(self, name: str) -> ctypes.c_void_p:
        return ctypes.cast(getattr(self._library, name), ctypes.c_void_p)

    # --- timing ---

    def add_region(self, index: int, start: int, size: int, instruction_miss: int, data_miss: int) -> None:
        """Declares cached memory and what a missed line costs there, in cycles."""
        self._library.block_timing_region(self._timing, index, start, size, instruction_miss, data_miss)

    def forget(self) -> None:
        """Drops known costs, predictions and cached lines."""
        self._library.block_timing_forget(self._timing)

    def set_timed(self, timed: bool) -> None:
        """Switches cycle counting; without it the machine runs faster and CYCCNT stands still."""
        self._library.block_timing_set_timed(self._timing, int(timed))

    def set_accesses(
        self, plan_access: Callable[[int], AccessPlan], read_register: Any, register_ids: Sequence[int]
    ) -> None:
        """Gives the data-cache pass what it needs: plans by address, uc_reg_read, Unicorn's names of r0 to r15."""

        def fill(pc: int, plan: Any) -> None:
            plan[0] = plan_access(pc)

        self._plan_access = _PLAN_ACCESS(fill)
        ids = (ctypes.c_int32 * len(register_ids))(*register_ids)
        pointer = ctypes.cast(read_register, ctypes.c_void_p)
        self._library.block_timing_accesses(self._timing, self._plan_access, pointer, ids)

    def sample_accesses(self, on: bool, layer_end: int) -> None:
        """Starts or ends the data-cache pass. layer_end: the function that is called when a layer has ended."""
        self._library.block_timing_sample(self._timing, int(on), layer_end)

    def wants_accesses(self) -> bool:
        """Whether the data-cache pass wants to see every access now."""
        return bool(self._library.block_timing_wants_accesses(self._timing))

    def request_stop(self, requested: bool) -> None:
        """Makes the machine stop before its next block; may be called from any thread."""
        self._library.block_timing_request_stop(self._timing, int(requested))

    def counters(self) -> Counters:
        values = (ctypes.c_uint64 * 8)()
        self._library.block_timing_counters(self._timing, values)
        return Counters(*values)

    # --- serial port ---

    def reset_port(self) -> None:
        self._library.serial_port_reset(self._port)

    def receive(self, data: bytes) -> int:
        """Puts bytes into the receiver; returns how many it had room for."""
        return int(self._library.serial_port_receive(self._port, data, len(data)))

    def take(self) -> bytes:
        """The bytes firmware has sent since the last call."""
        return self._taken.raw[:n] if (n := self._library.serial_port_take(self._port, self._taken)) else b""
