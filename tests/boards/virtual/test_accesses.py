from __future__ import annotations

import pytest
from board_tools import zig
from elftools.elf.elffile import ELFFile

from evbench.boards.virtual.accesses import NO_REGISTER, access_plan

NONE = NO_REGISTER
SP, PC = 13, 15
# instruction: (base, index, shift, offset, bytes, write)
PLANS = {
    "ldr r0, [r1, #8]": (1, NONE, 0, 8, 4, 0),
    "ldr r0, [r1, #-4]": (1, NONE, 0, -4, 4, 0),
    "ldr r0, [r1, r2, lsl #2]": (1, 2, 2, 0, 4, 0),
    "ldr r0, [r1], #4": (1, NONE, 0, 0, 4, 0),
    "ldr r0, [r1, #4]!": (1, NONE, 0, 4, 4, 0),
    "ldr r0, [pc, #16]": (PC, NONE, 0, 16, 4, 0),
    "ldrb r0, [r1, #3]": (1, NONE, 0, 3, 1, 0),
    "ldrsh r0, [r1, #2]": (1, NONE, 0, 2, 2, 0),
    "ldrsb r0, [r1, r3]": (1, 3, 0, 0, 1, 0),
    "ldrd r0, r1, [r2, #8]": (2, NONE, 0, 8, 8, 0),
    "strd r0, r1, [sp, #16]": (SP, NONE, 0, 16, 8, 1),
    "str r0, [sp, #4]": (SP, NONE, 0, 4, 4, 1),
    "strh r0, [r10, #6]": (10, NONE, 0, 6, 2, 1),
    "strb r0, [r1], #1": (1, NONE, 0, 0, 1, 1),
    "push {r4, r5, lr}": (SP, NONE, 0, -12, 12, 1),
    "pop {r4, r5, pc}": (SP, NONE, 0, 0, 12, 0),
    "ldm r3!, {r0, r1, r2}": (3, NONE, 0, 0, 12, 0),
    "stmdb r3!, {r0, r1}": (3, NONE, 0, -8, 8, 1),
    "vldr s0, [r1, #4]": (1, NONE, 0, 4, 4, 0),
    "vldr d0, [r1, #8]": (1, NONE, 0, 8, 8, 0),
    "vstr s3, [r1, #-16]": (1, NONE, 0, -16, 4, 1),
    "vldmia r5!, {s12}": (5, NONE, 0, 0, 4, 0),
    "vpush {d8, d9}": (SP, NONE, 0, -16, 16, 1),
    "tbb [r1, r2]": (1, 2, 0, 0, 1, 0),
    "tbh [r1, r2, lsl #1]": (1, 2, 1, 0, 2, 0),
}
SILENT = ("add r0, r1, r2", "smlad r0, r1, r2, r3", "bx lr", "pld [r1]", "vadd.f32 s0, s1, s2", "nop")


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """The instructions above, assembled one by one."""
    folder = tmp_path_factory.mktemp("accesses")
    sections = (f'.section .i{i}, "ax"\n {text}' for i, text in enumerate((*PLANS, *SILENT)))
    (folder / "all.s").write_text(".syntax unified\n.thumb\n" + "\n".join(sections) + "\n")
    zig("-c", folder / "all.s", "-o", folder / "all.o")
    with (folder / "all.o").open("rb") as file:
        elf = ELFFile(file)
        return {text: elf.get_section_by_name(f".i{i}").data() for i, text in enumerate((*PLANS, *SILENT))}


@pytest.mark.parametrize("text", PLANS)
def test_every_way_of_addressing_memory_is_followed(code, text):
    plan = access_plan(code[text], 0x08000100)
    assert (plan.base, plan.index, plan.shift, plan.offset, plan.bytes, plan.write) == PLANS[text]
    assert plan.pc == 0x08000100


@pytest.mark.parametrize("text", SILENT)
def test_an_instruction_that_touches_no_memory_has_no_plan(code, text):
    assert access_plan(code[text], 0x08000100).bytes == 0
