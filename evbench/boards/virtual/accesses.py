"""Which memory an instruction touches: a recipe that block_timing.c follows with the registers' values of the moment.

Unicorn's own memory hooks are not used: with them, version 2.1.4 mixes up registers in blocks with many loads.
"""

from __future__ import annotations

import ctypes
from typing import Any

from capstone import arm

from evbench.boards.virtual.instructions import decoder

NO_REGISTER = 255
_NAMED: dict[int, int] = {arm.ARM_REG_SP: 13, arm.ARM_REG_LR: 14, arm.ARM_REG_PC: 15}


class AccessPlan(ctypes.Structure):
    """`access_plan` of block_timing.c: address = base + (index << shift) + offset, `bytes` long, 0 when there is none.

    base and index are register numbers 0 to 15 or NO_REGISTER.
    """

    _fields_ = (
        ("pc", ctypes.c_uint32),
        ("offset", ctypes.c_int32),
        ("bytes", ctypes.c_uint16),
        ("base", ctypes.c_uint8),
        ("index", ctypes.c_uint8),
        ("shift", ctypes.c_uint8),
        ("write", ctypes.c_uint8),
    )


def access_plan(code: bytes, address: int) -> AccessPlan:
    """The plan of the instruction whose bytes `code` starts with; without bytes when it touches no memory."""
    plan = AccessPlan(pc=address, base=NO_REGISTER, index=NO_REGISTER)
    raw = next(decoder().disasm(code, address, 1), None)
    if raw is None:
        return plan
    name = decoder().insn_name(raw.id)
    memory = next((operand for operand in raw.operands if operand.type == arm.ARM_OP_MEM), None)
    if memory is not None and name not in ("pld", "pldw", "pli"):
        _plan_single(plan, raw, name, memory)
    elif name in ("push", "pop", "vpush", "vpop"):
        _plan_multiple(plan, [op.reg for op in raw.operands], 13, down="push" in name, write="push" in name)
    elif name.lstrip("v")[:3] in ("ldm", "stm"):
        base, *registers = [op.reg for op in raw.operands]
        _plan_multiple(plan, registers, _number(base), down=name.endswith("db"), write="st" in name)
    return plan


def _plan_single(plan: AccessPlan, raw: Any, name: str, operand: Any) -> None:
    memory = operand.mem
    double = name in ("ldrd", "strd") or (name in ("vldr", "vstr") and _is_double(raw.operands[0].reg))
    narrow = {"b": 1, "h": 2}.get(name[-1], 4) if name[:3] in ("ldr", "str") else {"tbb": 1, "tbh": 2}.get(name, 4)
    plan.bytes = 8 if double else narrow
    plan.base = _number(memory.base)
    if memory.index:
        plan.index, plan.shift = _number(memory.index), operand.shift.value or memory.lshift
    plan.offset = 0 if raw.writeback and raw.post_index else memory.disp
    plan.write = name.lstrip("v").startswith("st")


def _plan_multiple(plan: AccessPlan, registers: list[int], base: int, *, down: bool, write: bool) -> None:
    plan.bytes = sum(8 if _is_double(register) else 4 for register in registers)
    plan.base, plan.write = base, write
    plan.offset = -plan.bytes if down else 0


def _number(register: int) -> int:
    return _NAMED[register] if register in _NAMED else register - int(arm.ARM_REG_R0)


def _is_double(register: int) -> bool:
    return bool(arm.ARM_REG_D0 <= register <= arm.ARM_REG_D31)
