"""The compiled part of the virtual board: block_timing.c and serial_port.c, called through ctypes.

Unicorn calls their functions directly, without Python in between, millions of times per second.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from evbench.boards.virtual.accesses import AccessPlan
from evbench.boards.virtual.parts import Counted

_SOURCES = ("block_timing.c", "data_cache.c", "attention.c", "serial_port.c")


class BlockPrice(ctypes.Structure):
    """`block_price` of timing_state.h: what a block costs after the block before it."""

    _fields_ = (
        ("cost", ctypes.c_uint32),
        ("instructions", ctypes.c_uint16),
        ("store_drain", ctypes.c_uint16),
        ("branch", ctypes.c_uint8),
        ("misprediction", ctypes.c_uint8),
    )


_PRICE = ctypes.CFUNCTYPE(None, *(ctypes.c_uint32,) * 4, ctypes.POINTER(BlockPrice))
_PLAN_ACCESS = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.POINTER(AccessPlan))
_EXCHANGE = ctypes.CFUNCTYPE(None, ctypes.c_uint32)
_CHANGED = ctypes.CFUNCTYPE(None)
_READ_OTHER = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
_WRITE_OTHER = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
_TAKE_BYTES = 1 << 16
_PAGE_BYTES = 0x1000
_LATEST = (1 << 64) - 1


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


class Stop(IntEnum):
    """Why a machine stopped: not by the C side, because something wants attention, or as it branches to itself."""

    NO = 0
    ATTENTION = 1
    CIRCLES = 2


class _PortPage(ctypes.Structure):
    """`port_page` of serial_port.c."""

    _fields_ = (
        ("port", ctypes.c_void_p),
        ("page", ctypes.c_uint32),
        ("offset", ctypes.c_uint32),
        ("read_other", _READ_OTHER),
        ("write_other", _WRITE_OTHER),
    )


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the C side asks of Python.

    price(previous, address, size, taken, price) prices a block when a pair of blocks is met first. exchange(idle) moves
    bytes over the serial line. changed(): the port's interrupt may have changed. read_other(address, size) and
    write_other(address, size, value): the registers beside the port's.
    """

    price: Callable[[int, int, int, int, BlockPrice], None]
    exchange: Callable[[int], None]
    changed: Callable[[], None]
    read_other: Callable[[int, int], int]
    write_other: Callable[[int, int, int], None]


@functools.cache
def _load(library: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(library))
    for name in ("block_timing_cycles", "serial_port_due"):
        getattr(loaded, name).restype = ctypes.c_uint64
    return loaded


class Runtime:
    """The C side of one machine: its cycle counter and its serial port.

    uc_functions: uc_emu_stop and uc_reg_read; mask_ids: Unicorn's names of PRIMASK, BASEPRI and FAULTMASK; port_base:
    the address of the serial port's registers; byte_cycles: how long a byte takes on the line; library: what
    `build_runtime` returned.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        uc_functions: tuple[Any, Any],
        mask_ids: Sequence[int],
        port_base: int,
        byte_cycles: int,
        library: Path,
    ) -> None:
        self._library = _load(library)
        self._timing = ctypes.create_string_buffer(self._library.block_timing_size())
        self._port = ctypes.create_string_buffer(self._library.serial_port_size())
        self._taken = ctypes.create_string_buffer(_TAKE_BYTES)

        def price(previous: int, address: int, size: int, taken: int, out: Any) -> None:
            callbacks.price(previous, address, size, taken, out.contents)

        self._price = _PRICE(price)
        self._exchange = _EXCHANGE(callbacks.exchange)
        self._changed = _CHANGED(callbacks.changed)
        stop, read = (ctypes.cast(function, ctypes.c_void_p) for function in uc_functions)
        masks = (ctypes.c_int32 * len(mask_ids))(*mask_ids)
        self._library.block_timing_init(self._timing, self._price, stop, read, masks)
        self._library.serial_port_init(self._port, self._exchange, self._changed, self._timing, byte_cycles)
        self.port_page = port_base & -_PAGE_BYTES
        self._page = _PortPage(
            ctypes.addressof(self._port),
            self.port_page,
            port_base - self.port_page,
            _READ_OTHER(callbacks.read_other),
            _WRITE_OTHER(callbacks.write_other),
        )

    # --- what Unicorn is given ---

    @property
    def timing_pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(ctypes.addressof(self._timing))

    @property
    def port_pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(ctypes.addressof(self._port))

    @property
    def page_pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(ctypes.addressof(self._page))

    def function(self, name: str) -> ctypes.c_void_p:
        return ctypes.cast(getattr(self._library, name), ctypes.c_void_p)

    # --- timing ---

    def add_region(self, index: int, start: int, size: int, instruction_miss: int, data_miss: int) -> None:
        """Declares cached memory and what a missed line costs there, in cycles."""
        self._library.block_timing_region(self._timing, index, start, size, instruction_miss, data_miss)

    def forget(self) -> None:
        """Drops known costs, predictions and cached lines."""
        self._library.block_timing_forget(self._timing)

    def set_counted(self, counted: Counted) -> None:
        """Chooses what CYCCNT and all clocks count."""
        self._library.block_timing_set_counted(self._timing, list(Counted).index(counted))

    def set_accesses(self, plan_access: Callable[[int], AccessPlan], register_ids: Sequence[int]) -> None:
        """Gives the data-cache pass what it needs: plans by address, Unicorn's names of r0 to r15."""

        def fill(pc: int, plan: Any) -> None:
            plan[0] = plan_access(pc)

        self._plan_access = _PLAN_ACCESS(fill)
        ids = (ctypes.c_int32 * len(register_ids))(*register_ids)
        self._library.block_timing_accesses(self._timing, self._plan_access, ids)

    def sample_accesses(self, on: bool, layer_end: int) -> None:
        """Starts or ends the data-cache pass. layer_end: the function that is called when a layer has ended."""
        self._library.block_timing_sample(self._timing, int(on), layer_end)

    def wants_accesses(self) -> bool:
        """Whether the data-cache pass wants to see every access now."""
        return bool(self._library.block_timing_wants_accesses(self._timing))

    def request_stop(self, requested: bool) -> None:
        """Makes the machine stop before its next block; may be called from any thread."""
        self._library.block_timing_request_stop(self._timing, int(requested))

    def watch(self, due: int, pending: int, running: int, group_mask: int) -> None:
        """Makes the machine stop at cycle `due`, or before that as soon as an exception of priority `pending` may
        interrupt code of priority `running` (attention.h)."""
        moment = ctypes.c_uint64(min(due, _LATEST))
        self._library.block_timing_watch(self._timing, moment, pending, running, group_mask)

    def watch_layer(self, start: int, layer_end: int, layer: int) -> None:
        """Watches which blocks run in a layer: from the layer'th arrival at `layer_end` after one at `start`, or from
        there for layer 0, to the next. start: 0 to end it."""
        self._library.block_timing_watch_layer(self._timing, start, layer_end, layer)

    def watched(self) -> list[tuple[int, ...]]:
        """Pairs of blocks met while the layer ran: addresses of both, cost in sixteenths of a cycle, how often, cycles
        mispredicted, cycles waited for instruction lines, sixteenths waited for the store buffer."""
        values, found = (ctypes.c_uint64 * 7)(), []
        index = self._library.block_timing_watched(self._timing, 0, values)
        while index:
            found.append(tuple(values))
            index = self._library.block_timing_watched(self._timing, index, values)
        return found

    def take_stop(self) -> Stop:
        """Why the C side stopped the machine since the last call."""
        return Stop(self._library.block_timing_take_stopped(self._timing))

    def advance(self, cycles: int) -> None:
        """Lets time pass while no instruction runs."""
        self._library.block_timing_advance(self._timing, ctypes.c_uint64(cycles))

    @property
    def cycles(self) -> int:
        """Cycles so far; 0 before the first."""
        return int(self._library.block_timing_cycles(self._timing))

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

    def port_asks(self) -> bool:
        """Whether the port asks for its interrupt."""
        return bool(self._library.serial_port_asks(self._port))

    def port_listens(self) -> bool:
        """Whether firmware waits for bytes by interrupt."""
        return bool(self._library.serial_port_listens(self._port))

    def port_due(self) -> int:
        """The cycle at which the next byte will have arrived; beyond all cycles when it has or none is on its way."""
        return int(self._library.serial_port_due(self._port))

    def port_unsent(self) -> bool:
        """Whether bytes wait for being sent."""
        return bool(self._library.serial_port_unsent(self._port))

    def take(self) -> bytes:
        """The bytes firmware has sent since the last call."""
        return self._taken.raw[:n] if (n := self._library.serial_port_take(self._port, self._taken)) else b""
