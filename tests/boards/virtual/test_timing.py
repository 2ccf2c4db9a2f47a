"""The pipeline rules, each on a few instructions: what pairs, and how long a result is waited for."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_tools import zig
from elftools.elf.elffile import ELFFile

from evbench.boards.virtual.instructions import Branch, Instruction, Unit, decode
from evbench.boards.virtual.timing import Scoreboard, edge_cost

SNIPPETS = {
    "independent_adds": "add r0, r1, r2\n add r3, r4, r5",
    "early_add_feeds_late_logic": "add r0, r6, r2\n eor r3, r0, r4",
    "dependent_logic": "eor r0, r0, r2\n eor r0, r0, r3",
    "word_load_use": "ldr r0, [r1]\n eor r0, r0, r2\n eor r1, r1, r0",
    "byte_load_use": "ldrb r0, [r1]\n eor r0, r0, r2\n eor r1, r1, r0",
    "two_macs": "smlad r0, r1, r2, r0\n smlad r3, r4, r5, r3",
    "mac_chain": "smlad r0, r1, r2, r0",
    "multiply_chain": "mul r0, r0, r1",
    "two_stores": "str r0, [r1]\n str r2, [r1, #4]",
    "load_and_store": "ldr r0, [r1]\n str r2, [r3]",
    "loads_of_both_banks": "ldr r0, [r1]\n ldr r2, [r1, #4]",
    "loads_of_one_bank": "ldr r0, [r1]\n ldr r2, [r1, #8]",
    "loads_of_unknown_banks": "ldr r0, [r1]\n ldr r2, [r3]",
    "load_and_mac": "ldr r6, [r7]\n smlad r0, r1, r2, r0",
    "mac_and_store": "smlad r0, r1, r2, r0\n str r6, [r7]",
    "dsp_in_the_older_slot": "uxtb16 r0, r1\n add r2, r3, r4",
    "two_dsp": "uxtb16 r0, r1\n uxtb16 r2, r3",
    "two_shifted_operands": "add r0, r1, r2, lsl #4\n add r3, r4, r5, lsl #4",
    "shift_and_shifted_operand": "lsl r0, r1, #4\n add r3, r4, r5, lsl #4",
    "shifted_operand_waits": "eor r0, r0, r2\n add r0, r3, r0, lsl #2",
    "address_waits": "uxtb r0, r1\n ldr r1, [r0]",
    "load_four": "ldm r0, {r1, r2, r3, r4}",
    "load_pair": "ldrd r0, r1, [r2]",
    "divide": "udiv r0, r1, r2",
    "float_accumulate": "vfma.f32 s0, s1, s2",
    "float_three_accumulators": "vfma.f32 s0, s1, s2\n vfma.f32 s3, s1, s2\n vfma.f32 s4, s1, s2",
    "float_add_chain": "vadd.f32 s0, s0, s1",
    "float_load_and_mac": "vldr s5, [r0]\n vfma.f32 s0, s1, s2",
    "float_multiplicand_waits": "vfma.f32 s0, s1, s2\n vmul.f32 s1, s0, s2",
    "float_divide": "vdiv.f32 s0, s1, s2",
    "double_halves": "vldr d0, [r0]\n vadd.f32 s2, s1, s3",
    "conditional_branch": "subs r0, #1\n bne .",
    "return_by_link": "bx lr",
    "return_by_pop": "pop {r4, pc}",
    "call": "bl .",
    "call_through_register": "blx r3",
    "table_jump": "tbb [pc, r0]",
    "compare_and_branch": "cbz r0, 9f\n nop\n9: nop",
    "shifted_constant": "eor r0, r1, #0x1fc0",
    "pattern_constant": "eor r0, r1, #0x1b1b1b1b",
    "twelve_bits": "addw r0, r1, #0xabc",
    "post_increment": "ldr r0, [r1], #4",
}


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Instruction]]:
    """Every snippet, assembled and decoded."""
    folder: Path = tmp_path_factory.mktemp("snippets")
    sections = (f'.section .{name}, "ax"\n {text}' for name, text in SNIPPETS.items())
    (folder / "snippets.s").write_text(".syntax unified\n.thumb\n" + "\n".join(sections) + "\n")
    zig("-c", folder / "snippets.s", "-o", folder / "snippets.o")
    with (folder / "snippets.o").open("rb") as file:
        elf = ELFFile(file)
        return {name: decode(elf.get_section_by_name(f".{name}").data(), 0x1000) for name in SNIPPETS}


def cycles(block: list[Instruction], repeats: int = 32) -> float:
    """Cycles per repeat when a block is repeated without branches."""
    board = Scoreboard()
    for _ in range(4):
        for instruction in block:
            board.issue(instruction)
    start = board.end
    for _ in range(repeats):
        for instruction in block:
            board.issue(instruction)
    return (board.end - start) / repeats


@pytest.mark.parametrize(
    ("snippet", "expected"),
    [
        ("independent_adds", 1),
        ("early_add_feeds_late_logic", 1),
        ("dependent_logic", 2),
        ("two_macs", 2),
        ("mac_chain", 1),
        ("multiply_chain", 2),
        ("two_stores", 2),
        ("load_and_store", 1),
        ("loads_of_both_banks", 1),
        ("loads_of_one_bank", 2),
        ("loads_of_unknown_banks", 1.5),
        ("load_and_mac", 1),
        ("mac_and_store", 2),
        ("dsp_in_the_older_slot", 1),
        ("two_dsp", 2),
        ("two_shifted_operands", 2),
        ("shift_and_shifted_operand", 1),
        ("load_four", 2),
        ("load_pair", 1),
        ("divide", 8),
        ("float_accumulate", 3),
        ("float_three_accumulators", 3),
        ("float_add_chain", 3),
        ("float_load_and_mac", 3),
        ("float_divide", 16),
    ],
)
def test_a_repeated_snippet_takes_the_cycles_that_were_measured_on_silicon(code, snippet, expected):
    assert cycles(code[snippet]) == pytest.approx(expected, abs=0.05)


def test_a_byte_is_waited_for_one_cycle_longer_than_a_word(code):
    assert cycles(code["byte_load_use"]) - cycles(code["word_load_use"]) == pytest.approx(1, abs=0.05)


def test_an_operand_for_the_shifter_is_needed_a_cycle_earlier(code):
    assert cycles(code["shifted_operand_waits"]) - cycles(code["dependent_logic"]) == pytest.approx(1, abs=0.05)


def test_an_address_out_of_a_bitfield_instruction_costs_an_extra_cycle(code):
    board = Scoreboard()
    first, second = (board.issue(instruction) for instruction in code["address_waits"])
    assert second - first == 2


def test_a_product_is_ready_as_a_multiplicand_after_five_cycles(code):
    board = Scoreboard()
    first, second = (board.issue(instruction) for instruction in code["float_multiplicand_waits"])
    assert second - first == 5


def test_a_double_register_is_both_its_single_halves(code):
    load, add = code["double_halves"]
    assert set(load.loaded) >= {register for register, _ in add.needs if register in load.loaded}
    assert len(load.loaded) == 2


@pytest.mark.parametrize(
    ("snippet", "expected"),
    [
        ("conditional_branch", Branch.CONDITIONAL),
        ("compare_and_branch", Branch.NONE),
        ("return_by_link", Branch.RETURN),
        ("return_by_pop", Branch.RETURN),
        ("call", Branch.NONE),
        ("call_through_register", Branch.INDIRECT),
        ("table_jump", Branch.INDIRECT),
    ],
)
def test_the_last_instruction_of_a_block_says_how_it_is_predicted(code, snippet, expected):
    assert code[snippet][-1].branch is expected


def test_a_compare_and_branch_is_conditional(code):
    assert code["compare_and_branch"][0].branch is Branch.CONDITIONAL


def test_only_constants_that_the_shifter_makes_use_the_shifter(code):
    assert code["shifted_constant"][0].shifts_operand
    assert not code["pattern_constant"][0].shifts_operand
    assert not code["twelve_bits"][0].shifts_operand


def test_a_post_increment_updates_its_base_and_loads_at_offset_zero(code):
    (load,) = code["post_increment"]
    assert load.unit is Unit.LOAD
    assert load.offset == 0
    assert load.updated_base == (load.base,)


def test_a_taken_branch_ends_a_pair_that_falling_through_would_fill(code):
    block = code["independent_adds"][:1]
    other = code["independent_adds"][1:]
    assert edge_cost(block, other, taken=False) == 0
    assert edge_cost(block, other, taken=True) == 1
