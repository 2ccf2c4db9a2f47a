"""A breakpoint that gathers the output of every layer as the layer ends, as a debugger would."""

from __future__ import annotations

from typing import Any

import unicorn as untyped_unicorn
from unicorn import arm_const as arm

unicorn: Any = untyped_unicorn  # its own annotations are too incomplete to check against


class Capture:
    """At most one breakpoint of one core."""

    def __init__(self, uc: Any) -> None:
        self._uc = uc
        self._hook: int | None = None
        self._outputs: list[tuple[int, int]] = []
        self._gathered = bytearray()

    def start(self, address: int, outputs: list[tuple[int, int]]) -> None:
        """A breakpoint at a function whose first argument is a layer: from now on, whenever it is reached, the bytes
        (address, length) of that layer's output are gathered. No outputs: the breakpoint is removed."""
        if self._hook is not None:
            self._uc.hook_del(self._hook)
            self._hook = None
        self._outputs = outputs
        if outputs:
            at = address & ~1
            self._hook = self._uc.hook_add(unicorn.UC_HOOK_CODE, self._on_reached, begin=at, end=at)
        self._gathered.clear()
        self._uc.ctl_flush_tb()

    def take(self) -> bytes:
        """What has been gathered since the last call."""
        data = bytes(self._gathered)
        self._gathered.clear()
        return data

    def _on_reached(self, uc: Any, _address: int, _size: int, _user: Any) -> None:
        layer = uc.reg_read(arm.UC_ARM_REG_R0)
        if layer < len(self._outputs):
            self._gathered += uc.mem_read(*self._outputs[layer])
