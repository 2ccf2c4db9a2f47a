"""The virtual STM32H743: Unicorn as a Cortex-M7 with memory, flash, registers, exceptions and counted cycles.

Unicorn executes instructions; it has no vector table, no system control block and no time. These are added here: reset
and faults enter and leave exceptions as the Armv7-M manual (B1.5) says, cycles come from block_timing.c and `timing`.
"""

from __future__ import annotations

import ctypes
import queue
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import unicorn as untyped_unicorn
from unicorn import arm_const as arm
from unicorn.unicorn_py3.unicorn import uclib

from evbench.boards.virtual import peripherals as registers
from evbench.boards.virtual.accesses import AccessPlan, access_plan
from evbench.boards.virtual.exceptions import THUMB_STATE, Exceptions
from evbench.boards.virtual.flash_memory import FlashMemory
from evbench.boards.virtual.instructions import Instruction, decode
from evbench.boards.virtual.peripherals import BLOCKS, Peripherals
from evbench.boards.virtual.runtime import Counters, Runtime
from evbench.boards.virtual.timing import block_branch, edge_cost

unicorn: Any = untyped_unicorn  # its own annotations are too incomplete to check against

CYCLE_FRACTION = 16
FLASH_REGIONS = ("flash", "qspi")
FLASH_INSTRUCTION_MISS = 20
FLASH_DATA_MISS = 24
"""Core cycles to fill a cache line from internal flash: 4 wait states at a 240 MHz bus, through the AXI matrix
(calibrated on the MLPerf Tiny firmware named in the design note)."""
SRAM_MISS = 16
"""Core cycles to fill a cache line from AXI SRAM or SRAM1-3."""

_USART_PAGE, _DWT_PAGE = 0x40004000, 0xE0001000
_NOWHERE = 0xFFFFFFFF
_CORE_REGISTERS = (
    *range(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R0 + 13),
    arm.UC_ARM_REG_SP,
    arm.UC_ARM_REG_LR,
    arm.UC_ARM_REG_PC,
)
_Result = TypeVar("_Result")


class Line(Protocol):
    """The far end of the serial port."""

    def send(self, data: bytes) -> None:
        """Takes bytes that firmware has sent."""

    def receive(self) -> bytes:
        """Waits a while for bytes for the firmware; returns none when there are none or `wake` was called."""

    def wake(self) -> None:
        """Ends a wait in `receive`, from another thread."""


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """A region of the board profile. `wait_states`: cycles per missed cache line, 0 for what the chip's own memory
    costs.
    """

    origin: int
    size: int
    wait_states: int = 0


class Machine:
    """One board. `run` executes firmware until `close`.

    flash: the contents of each region named in FLASH_REGIONS; library: the compiled runtime (`build_runtime`). `call`,
    `close` and `counters` may be called from any thread, the methods below them only inside `call`.
    """

    def __init__(
        self,
        memory: Mapping[str, MemoryRegion],
        line: Line,
        flash: Mapping[str, FlashMemory],
        library: Path,
    ) -> None:
        self._line = line
        self._flash = flash
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._closing = False
        self._reset_wanted = True
        self._blocks: dict[tuple[int, int], list[Instruction]] = {}
        self._last_at: dict[int, list[Instruction]] = {}
        self._crash: BaseException | None = None
        self._watch: tuple[int, list[tuple[int, int]]] | None = None
        self._watch_hook: int | None = None
        self._access_hook: ctypes.c_size_t | None = None
        self._captured = bytearray()
        self.idle = False
        self.blank = True
        self._peripherals = Peripherals(self._ask_for_reset)
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M7)
        self._runtime = Runtime(self._price, self._exchange, uclib.uc_emu_stop, library)
        self._runtime.set_accesses(self._plan_access, uclib.uc_reg_read, _CORE_REGISTERS)
        self._exceptions = Exceptions(self._uc, self._peripherals)
        self._map_memory(memory)
        self._map_registers()
        self._hook(unicorn.UC_HOOK_BLOCK, "block_timing_block")

    # --- building ---

    def _map_memory(self, memory: Mapping[str, MemoryRegion]) -> None:
        for index, (name, region) in enumerate(memory.items()):
            if name in FLASH_REGIONS:
                permissions = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
                self._uc.mem_map_ptr(region.origin, region.size, permissions, self._flash[name].pointer)
                misses = (region.wait_states or FLASH_INSTRUCTION_MISS, region.wait_states or FLASH_DATA_MISS)
            else:
                self._uc.mem_map(region.origin, region.size)
                misses = (0, 0) if name in ("itcm", "dtcm") else (region.wait_states or SRAM_MISS,) * 2
            if any(misses):
                self._runtime.add_region(index, region.origin, region.size, *misses)

    def _map_registers(self) -> None:
        for base, size in BLOCKS:
            self._uc.mmio_map(base, size, self._read_register, base, self._write_register, base)
        for page, suffix in ((_USART_PAGE, ""), (_DWT_PAGE, "_dwt")):
            read = self._runtime.function(f"serial_port_read{suffix}")
            write = self._runtime.function(f"serial_port_write{suffix}")
            user = self._runtime.port_pointer
            _check(uclib.uc_mmio_map(self._uc._uch, page, 0x1000, read, user, write, user))

    def _hook(self, kind: int, function: str) -> ctypes.c_size_t:
        """Hooks a C function of the runtime: no Python runs when it is called."""
        handle = ctypes.c_size_t()
        every = (ctypes.c_uint64(1), ctypes.c_uint64(0))
        target = self._runtime.function(function)
        _check(
            uclib.uc_hook_add(self._uc._uch, ctypes.byref(handle), kind, target, self._runtime.timing_pointer, *every)
        )
        return handle

    # --- from other threads ---

    def call(self, function: Callable[[], _Result], timeout: float = 10.0) -> _Result:
        """Halts the core, calls `function` between two blocks, and goes on. Returns what it returned or raises."""
        future: Future[_Result] = Future()
        self._calls.put((function, future))
        self._runtime.request_stop(True)
        self._line.wake()
        return future.result(timeout)

    def close(self) -> None:
        """Ends `run`."""
        self._closing = True
        self._calls.put(None)
        self._runtime.request_stop(True)
        self._line.wake()

    def counters(self) -> Counters:
        """What has been counted; needs no halt."""
        return self._runtime.counters()

    # --- while halted (inside `call`) ---

    def reset(self) -> None:
        """Restarts the firmware from its vector table; `blank` says at once whether there is any."""
        self._reset_wanted = True
        self.blank = not self._is_bootable(*self._vectors())

    def hold(self) -> None:
        """Stops the firmware until the next reset, as a programmer does before it erases what is running."""
        self.blank = True

    def flash_changed(self) -> None:
        """Forgets all translated and priced code after flash was written."""
        self._blocks.clear()
        self._last_at.clear()
        self._runtime.forget()
        self._uc.ctl_flush_tb()

    def read_memory(self, address: int, length: int) -> bytes:
        return bytes(self._uc.mem_read(address, length))

    def set_timed(self, timed: bool) -> None:
        """Switches the timing model; without it firmware runs faster and CYCCNT stands still."""
        self._runtime.set_timed(timed)

    def set_data_cache(self, modelled: bool, layer_end: int | None = None) -> None:
        """Switches the data-cache pass, in which missed lines cost cycles and the machine is a few times slower.

        layer_end: the function that firmware calls after each layer; misses are then sampled layer by layer, else every
        access is looked up.
        """
        self._runtime.sample_accesses(modelled, 1 if layer_end is None else layer_end & ~1)

    def capture_at(self, address: int, outputs: list[tuple[int, int]]) -> None:
        """A breakpoint at a function whose first argument is a layer: from now on, whenever it is reached, the bytes
        (address, length) of that layer's output are appended to the capture. No outputs: the breakpoint is removed."""
        if self._watch_hook is not None:
            self._uc.hook_del(self._watch_hook)
            self._watch_hook = None
        self._watch = (address, outputs)
        if outputs:
            at = address & ~1
            self._watch_hook = self._uc.hook_add(unicorn.UC_HOOK_CODE, self._on_watch, begin=at, end=at)
        self._captured.clear()
        self._uc.ctl_flush_tb()

    def take_capture(self) -> bytes:
        """What the breakpoint has gathered; the capture starts anew."""
        data = bytes(self._captured)
        self._captured.clear()
        return data

    # --- running ---

    def run(self) -> None:
        """Executes firmware until `close` is called. Raises what a callback of this machine raised, if one did."""
        start = 0
        while not self._closing:
            self._follow_sampling(start)
            self._runtime.request_stop(False)
            while not self._calls.empty():
                self._serve(self._calls.get())
            if self._closing:
                break
            if self._reset_wanted:
                start = self._power_on()
            if self.blank:
                self._serve(self._calls.get())
            elif not self._sampling_changed:
                start = self._emulate(start)
            if self._crash is not None:
                raise self._crash

    @property
    def _sampling_changed(self) -> bool:
        return self._runtime.wants_accesses() != (self._access_hook is not None)

    def _follow_sampling(self, start: int) -> None:
        """Hooks or unhooks every instruction, as the data-cache pass asks."""
        if self.blank or not self._sampling_changed:
            return
        if self._access_hook is None:
            self._access_hook = self._hook(unicorn.UC_HOOK_CODE, "block_timing_instruction")
        else:
            _check(uclib.uc_hook_del(self._uc._uch, self._access_hook))
            self._access_hook = None
            # Unicorn takes a deleted hook out of its lists when a run ends, so one ends before its first block here.
            self._runtime.request_stop(True)
            self._uc.emu_start(start | 1, _NOWHERE)
        self._uc.ctl_flush_tb()

    def _serve(self, item: tuple[Callable[[], Any], Future[Any]] | None) -> None:
        if item is None:
            return
        function, future = item
        try:
            future.set_result(function())
        except Exception as error:
            future.set_exception(error)

    def _power_on(self) -> int:
        self._reset_wanted = False
        self._exchange(0)
        self._peripherals.reset()
        self._exceptions.reset()
        self._runtime.reset_port()
        stack, entry = self._vectors()
        self.blank = not self._is_bootable(stack, entry)
        self._uc.reg_write(arm.UC_ARM_REG_XPSR, THUMB_STATE)
        self._uc.reg_write(arm.UC_ARM_REG_SP, stack)
        self._uc.reg_write(arm.UC_ARM_REG_LR, 0xFFFFFFFF)
        return int(entry)

    def _vectors(self) -> tuple[int, int]:
        """Initial stack pointer and entry point, from the first two words of flash."""
        stack, entry = struct.unpack("<2I", self._uc.mem_read(registers.VECTOR_TABLE, 8))
        return stack, entry

    def _is_bootable(self, stack: int, entry: int) -> bool:
        return bool(entry & 1) and self._is_mapped(entry & ~1) and self._is_mapped(stack - 4)

    def _is_mapped(self, address: int) -> bool:
        return any(start <= address <= end for start, end, _ in self._uc.mem_regions())

    def _emulate(self, start: int) -> int:
        """Runs from `start` until something wants attention; returns where to go on."""
        try:
            self._uc.emu_start(start | 1, _NOWHERE)
        except unicorn.UcError as error:
            self._exceptions.enter_fault(undefined=error.errno == unicorn.UC_ERR_INSN_INVALID)
            self.blank |= self._exceptions.locked_up
        return int(self._uc.reg_read(arm.UC_ARM_REG_PC))

    # --- callbacks from Unicorn ---

    def _price(self, previous: int, address: int, size: int, taken: int) -> int:
        try:
            key = (address, size)
            block = self._blocks.get(key)
            if block is None:
                block = self._blocks[key] = decode(bytes(self._uc.mem_read(address, size)), address)
            self._last_at[address] = block
            cost = edge_cost(self._last_at.get(previous, ()), block, bool(taken))
            return round(cost * CYCLE_FRACTION) | len(block) << 32 | block_branch(block) << 48
        except Exception as error:
            self._stop_with(error)
            return 1 << 32

    def _plan_access(self, pc: int) -> AccessPlan:
        return access_plan(bytes(self._uc.mem_read(pc, 4)), pc)

    def _exchange(self, idle: int) -> None:
        try:
            sent = self._runtime.take()
            if sent:
                self._line.send(sent)
            if idle:
                self.idle = True
                data = self._line.receive()
                if data:
                    self.idle = False
                    self._runtime.receive(data)
        except Exception as error:
            self._stop_with(error)

    def _stop_with(self, error: BaseException) -> None:
        self._crash = error
        self._runtime.request_stop(True)

    def _ask_for_reset(self) -> None:
        self._reset_wanted = True
        self._uc.emu_stop()

    def _read_register(self, _uc: Any, offset: int, size: int, base: int) -> int:
        address = base + offset
        return self._peripherals.read(address & ~3) >> 8 * (address & 3) & ((1 << 8 * size) - 1)

    def _write_register(self, _uc: Any, offset: int, size: int, value: int, base: int) -> None:
        self._peripherals.write((base + offset) & ~3, value)

    def _on_watch(self, uc: Any, _address: int, _size: int, _user: Any) -> None:
        layer = uc.reg_read(arm.UC_ARM_REG_R0)
        outputs = self._watch[1] if self._watch else []
        if layer < len(outputs):
            self._captured += uc.mem_read(*outputs[layer])


def _check(status: int) -> None:
    if status != unicorn.UC_ERR_OK:
        raise unicorn.UcError(status)
