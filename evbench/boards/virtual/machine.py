"""The virtual STM32H7: Unicorn as a Cortex-M7 with memory, flash, registers, exceptions and counted cycles.

Unicorn executes instructions; it has no vector table, no system control block and no time. These are added here:
`exceptions` enters and leaves handlers, `schedule` says when, cycles come from block_timing.c and `timing`.
"""

from __future__ import annotations

import ctypes
import queue
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import unicorn as untyped_unicorn
from unicorn import arm_const as arm
from unicorn.unicorn_py3.unicorn import uclib

from evbench.boards.virtual.accesses import AccessPlan, access_plan
from evbench.boards.virtual.address_space import check, is_mapped, map_identity, map_memory, map_registers
from evbench.boards.virtual.capture import Capture
from evbench.boards.virtual.exceptions import THUMB_STATE, Exceptions, Fault
from evbench.boards.virtual.flash_memory import FlashMemory
from evbench.boards.virtual.instructions import Instruction, decode
from evbench.boards.virtual.interrupts import InterruptController
from evbench.boards.virtual.parts import Chip, Counted, Line, MemoryRegion
from evbench.boards.virtual.peripherals import Peripherals
from evbench.boards.virtual.runtime import BlockPrice, Callbacks, Counters, Runtime, Stop
from evbench.boards.virtual.schedule import Schedule
from evbench.boards.virtual.stm32h7 import device_code, serial_port
from evbench.boards.virtual.system_control import SystemControl
from evbench.boards.virtual.timing import block_branch, issue_block, misprediction_cycles, store_drain

unicorn: Any = untyped_unicorn  # its own annotations are too incomplete to check against

CYCLE_FRACTION = 16
_NOWHERE = 0xFFFFFFFF
_BITS_PER_BYTE = 10  # on a serial line, with start and stop bit
_WAIT_FOR_INTERRUPT, _WAIT_FOR_EVENT, _YIELD = 0xBF30, 0xBF20, 0xBF10
_MASK_REGISTERS = (arm.UC_ARM_REG_PRIMASK, arm.UC_ARM_REG_BASEPRI, arm.UC_ARM_REG_FAULTMASK)
_IDLE_WAIT_S = 0.25
_CORE_REGISTERS = (
    *range(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R0 + 13),
    arm.UC_ARM_REG_SP,
    arm.UC_ARM_REG_LR,
    arm.UC_ARM_REG_PC,
)
_Result = TypeVar("_Result")


class Machine:
    """One board. `run` executes firmware until `close`.

    flash: the contents of each region named in FLASH_REGIONS; library: the compiled runtime (`build_runtime`). log and
    on_fault are told of registers that are not modelled and of faults. `call`, `close` and `counters` may be called
    from any thread, the methods below them only inside `call`.
    """

    def __init__(
        self,
        memory: Mapping[str, MemoryRegion],
        line: Line,
        flash: Mapping[str, FlashMemory],
        library: Path,
        chip: Chip = Chip(),  # noqa: B008 - frozen
        log: Callable[[str], None] = lambda text: None,
        on_fault: Callable[[Fault], None] = lambda fault: None,
    ) -> None:
        self._line = line
        self._flash = flash
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._closing = False
        self._reset_wanted = True
        self._blocks: dict[tuple[int, int], list[Instruction]] = {}
        self._last_at: dict[int, list[Instruction]] = {}
        self._crash: BaseException | None = None
        self._access_hook: ctypes.c_size_t | None = None
        self.idle = False
        self.blank = True
        self._asleep = False
        self.vectors = memory["flash"].origin
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M7)
        self.capture = Capture(self._uc)
        port = serial_port(chip.uart)
        self._runtime = Runtime(
            Callbacks(self._price, self._poll, self._interrupts_changed, self._read_other, self._write_other),
            (uclib.uc_emu_stop, uclib.uc_reg_read),
            _MASK_REGISTERS,
            port.base,
            _BITS_PER_BYTE * chip.core_hz // chip.baud,
            library,
        )
        self._runtime.set_accesses(self._plan_access, _CORE_REGISTERS)
        cycles, changed = lambda: self._runtime.cycles, self._interrupts_changed
        controller = InterruptController()
        control = SystemControl(controller, cycles, self._ask_for_reset, changed)
        self.peripherals = Peripherals(control, cycles, changed, log, device_code(chip.name))
        self._control = control
        self._exceptions = Exceptions(self._uc, control, controller, self._runtime.advance, on_fault)
        self._schedule = Schedule(
            self._runtime, controller, control, self.peripherals, chip.core_hz, port.exception, self._exchange
        )
        map_memory(self._uc, self._runtime, memory, flash)
        map_identity(self._uc, memory["flash"].size)
        map_registers(self._uc, self._runtime, self._read_register, self._write_register)
        self._hook(unicorn.UC_HOOK_BLOCK, "block_timing_block")

    # --- building ---

    def _hook(self, kind: int, function: str) -> ctypes.c_size_t:
        """Hooks a C function of the runtime: no Python runs when it is called."""
        handle = ctypes.c_size_t()
        every = (ctypes.c_uint64(1), ctypes.c_uint64(0))
        target = self._runtime.function(function)
        check(
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

    @property
    def locked_up(self) -> bool:
        """Whether a fault happened where none can be handled."""
        return self._exceptions.locked_up

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

    def watch_layer(self, start: int, layer_end: int, layer: int) -> None:
        """Watches which blocks run in a layer; start and layer_end are functions of the firmware, start 0 ends it."""
        self._runtime.watch_layer(start & ~1, layer_end & ~1, layer)

    def watched(self) -> list[list[int]]:
        """The pairs of blocks met while the layer ran: as `Runtime.watched`, and the second one's size in bytes."""
        sizes = dict(self._blocks.keys())
        return [[*pair, sizes[pair[1]]] for pair in self._runtime.watched()]

    def write_memory(self, address: int, data: bytes) -> None:
        """Writes memory of any kind, flash too, as a debug probe that loads an image does."""
        for region in self._flash.values():
            if region.contains(address, len(data)):
                region.load(address, data)
                return
        self._uc.mem_write(address, data)

    def read_memory(self, address: int, length: int) -> bytes:
        return bytes(self._uc.mem_read(address, length))

    def set_counted(self, counted: Counted) -> None:
        """Chooses what CYCCNT and all clocks count; firmware runs faster when that is nothing."""
        self._runtime.set_counted(counted)

    def set_data_cache(self, modelled: bool, layer_end: int | None = None) -> None:
        """Switches the data-cache pass, in which missed lines cost cycles and the machine is a few times slower.

        layer_end: the function that firmware calls after each layer; misses are then sampled layer by layer, else every
        access is looked up.
        """
        self._runtime.sample_accesses(modelled, 1 if layer_end is None else layer_end & ~1)

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
            elif self._asleep:
                self._asleep = not self._schedule.sleep()
                self.idle = self._asleep
            elif not self._sampling_changed:
                self._schedule.serve()
                if self._exceptions.deliver():
                    start = int(self._uc.reg_read(arm.UC_ARM_REG_PC))
                    self._schedule.update()
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
            check(uclib.uc_hook_del(self._uc._uch, self._access_hook))
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
        self._asleep = False
        self._exchange()
        self._control.reset(self.vectors)
        self.peripherals.reset()
        self._exceptions.reset()
        self._runtime.reset_port()
        stack, entry = self._vectors()
        self.blank = not self._is_bootable(stack, entry)
        self._uc.reg_write(arm.UC_ARM_REG_XPSR, THUMB_STATE)
        for register in (arm.UC_ARM_REG_CONTROL, *_MASK_REGISTERS):
            self._uc.reg_write(register, 0)
        self._uc.reg_write(arm.UC_ARM_REG_SP, stack)
        self._uc.reg_write(arm.UC_ARM_REG_LR, 0xFFFFFFFF)
        self._uc.reg_write(arm.UC_ARM_REG_PC, entry)
        self._schedule.reset()
        return int(entry)

    def _vectors(self) -> tuple[int, int]:
        """Initial stack pointer and entry point, from the first two words of the vector table."""
        stack, entry = struct.unpack("<2I", self._uc.mem_read(self.vectors, 8))
        return stack, entry

    def _is_bootable(self, stack: int, entry: int) -> bool:
        return bool(entry & 1) and is_mapped(self._uc, entry & ~1) and is_mapped(self._uc, stack - 4)

    def _emulate(self, start: int) -> int:
        """Runs from `start` until something wants attention; returns where to go on."""
        self._runtime.take_stop()
        try:
            self._uc.emu_start(start | 1, _NOWHERE)
            pc = int(self._uc.reg_read(arm.UC_ARM_REG_PC))
            stop = self._runtime.take_stop()
            waits = stop is Stop.NO and self._follows(pc, _WAIT_FOR_INTERRUPT)
            self._asleep = waits or stop is Stop.CIRCLES
        except unicorn.UcError as error:
            pc = int(self._uc.reg_read(arm.UC_ARM_REG_PC))
            hint = error.errno == unicorn.UC_ERR_INSN_INVALID and pc != start & ~1
            if not (hint and self._follows(pc, _WAIT_FOR_EVENT, _YIELD)):  # Unicorn stops at these as at an error
                self._exceptions.enter_fault()
        self.blank |= self._exceptions.locked_up
        return int(self._uc.reg_read(arm.UC_ARM_REG_PC))

    def _follows(self, pc: int, *hints: int) -> bool:
        """Whether the instruction before `pc` is one of these."""
        try:
            return int.from_bytes(self._uc.mem_read(pc - 2, 2), "little") in hints
        except unicorn.UcError:
            return False

    # --- callbacks from Unicorn ---

    def _price(self, previous: int, address: int, size: int, taken: int, price: BlockPrice) -> None:
        try:
            key = (address, size)
            block = self._blocks.get(key)
            if block is None:
                block = self._blocks[key] = decode(bytes(self._uc.mem_read(address, size)), address)
            self._last_at[address] = block
            cost, issues = issue_block(self._last_at.get(previous, ()), block, bool(taken))
            price.cost, price.instructions = round(cost * CYCLE_FRACTION), len(block)
            price.store_drain = round(store_drain(block) * CYCLE_FRACTION)
            price.branch, price.misprediction = block_branch(block), misprediction_cycles(block, issues)
        except Exception as error:
            self._stop_with(error)

    def _plan_access(self, pc: int) -> AccessPlan:
        return access_plan(bytes(self._uc.mem_read(pc, 4)), pc)

    def _poll(self, idle: int) -> None:
        try:
            self._exchange(_IDLE_WAIT_S if idle else None)
        except Exception as error:
            self._stop_with(error)

    def _exchange(self, wait_s: float | None = None) -> None:
        """Sends what firmware has sent, and, where a wait is given, takes what has arrived meanwhile."""
        sent = self._runtime.take()
        if sent:
            self._line.send(sent)
        if wait_s is not None:
            self.idle = wait_s > 0
            data = self._line.receive(wait_s)
            if data:
                self.idle = False
                self._runtime.receive(data)

    def _interrupts_changed(self) -> None:
        self._schedule.update()

    def _stop_with(self, error: BaseException) -> None:
        self._crash = error
        self._runtime.request_stop(True)

    def _ask_for_reset(self) -> None:
        self._reset_wanted = True
        self._uc.emu_stop()

    def _read_register(self, _uc: Any, offset: int, size: int, base: int) -> int:
        return self._read_other(base + offset, size)

    def _write_register(self, _uc: Any, offset: int, size: int, value: int, base: int) -> None:
        self._write_other(base + offset, size, value)

    def _read_other(self, address: int, size: int) -> int:
        try:
            return self.peripherals.read(address & ~3) >> 8 * (address & 3) & ((1 << 8 * size) - 1)
        except Exception as error:
            self._stop_with(error)
            return 0

    def _write_other(self, address: int, size: int, value: int) -> None:
        try:
            self.peripherals.write(address, value, size)
        except Exception as error:
            self._stop_with(error)
