"""The pipeline's rules, each on a few instructions: what pairs, how long a result is waited for, which rule says so."""

from __future__ import annotations

import pytest

from evbench.boards.virtual.instructions import BARRIER_CYCLES, SYSTEM_REGISTER_CYCLES, Branch, Instruction, Unit
from evbench.boards.virtual.known_cycles import KNOWN, NOT_MODELLED, Known, assemble, repeat
from evbench.boards.virtual.rules import OCCUPATIONS, RULES
from evbench.boards.virtual.timing import edge_cost, issue_block, misprediction_cycles

SNIPPETS = {
    "add": "add r0, r1, r2",
    "other_add": "add r3, r4, r5",
    "double_halves": "vldr d0, [r0]; vadd.f32 s2, s1, s3",
    "conditional_branch": "subs r0, #1; bne .",
    "return_by_link": "bx lr",
    "return_by_pop": "pop {r4, pc}",
    "call": "bl .",
    "call_through_register": "blx r3",
    "table_jump": "tbb [pc, r0]",
    "compare_and_branch": "cbz r0, 9f; nop; 9: nop",
    "flags_late": "add r1, r2; add r3, r4; subs r0, #1; bne .",
    "flags_early": "subs r0, #1; mul r1, r1, r2; mul r1, r1, r2; mul r3, r4, r5; bne .",
    "shifted_constant": "eor r0, r1, #0x1fc0",
    "pattern_constant": "eor r0, r1, #0x1b1b1b1b",
    "twelve_bits": "addw r0, r1, #0xabc",
    "wide_constant": "movw r0, #0x1234",
    "post_increment": "ldr r0, [r1], #4",
    "return_address": "bl .; eor r0, lr, r1",
    "dependent_logic": "eor r0, r1, r2; eor r3, r0, r4",
}
TESTED_ELSEWHERE = {
    "link-result",
    "taken-branch",
    "misprediction",
    "misprediction-known-early",
    "indirect-branch",
    "instruction-line",
    "data-line-flash",
    "data-line-sram",
    "write-miss",
    "tightly-coupled",
    "exception-entry",
    "tail-chain",
    "barrier",
    "system-register",
    "one-branch",
}
"""Rules that no straight piece of code shows: they have tests below, in test_machine and in test_interrupts."""


@pytest.fixture(scope="session")
def code() -> dict[str, list[Instruction]]:
    """Every snippet, assembled and decoded."""
    return assemble(tuple(Known(name, text, 0) for name, text in SNIPPETS.items()))


@pytest.fixture(scope="session")
def patterns() -> dict[str, list[Instruction]]:
    """The patterns whose cycles are known."""
    return assemble((*KNOWN, *NOT_MODELLED))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_a_pattern_takes_the_cycles_that_were_measured_and_names_the_rule(
    patterns: dict[str, list[Instruction]], known: Known
) -> None:
    cycles, issues = repeat(patterns[known.name])
    assert cycles == pytest.approx(known.cycles, abs=0.05)
    named = {issue.rule for issue in issues}
    silent = {
        "early-result",
        "store-buffer",
        *(rule.name for rule in OCCUPATIONS),
    }  # what takes long or makes faster holds nothing up
    assert known.rule in named | silent


@pytest.mark.parametrize("known", NOT_MODELLED, ids=lambda known: known.name)
def test_what_is_said_not_to_be_modelled_is_not(patterns: dict[str, list[Instruction]], known: Known) -> None:
    assert repeat(patterns[known.name])[0] != pytest.approx(known.cycles, abs=0.05)


def test_every_rule_has_a_name_a_source_and_a_pattern_or_test_of_its_own() -> None:
    assert all(rule.source and rule.says for rule in RULES.values())
    assert {known.rule for known in KNOWN} - {""} | TESTED_ELSEWHERE == set(RULES)


def test_barriers_system_registers_and_branches_follow_their_rules() -> None:
    names = ("barrier", "system", "branches")
    texts = ("dsb; dmb; isb", "mrs r0, primask; msr primask, r0", "cbz r0, 8f; cbz r1, 8f; nop; 8: nop")
    blocks = assemble(tuple(Known(name, text, 0) for name, text in zip(names, texts, strict=True)))
    assert repeat(blocks["barrier"])[0] == 3 * BARRIER_CYCLES
    assert repeat(blocks["system"])[0] == 2 * SYSTEM_REGISTER_CYCLES
    assert issue_block((), blocks["branches"], taken=False)[1][1].rule == "one-branch"


def test_a_calls_return_address_is_there_the_next_cycle(code: dict[str, list[Instruction]]) -> None:
    _, issues = issue_block((), code["return_address"], taken=False)
    assert (issues[1].cycle, issues[1].rule) == (1, "link-result")


def test_an_issue_says_what_it_waited_for(code: dict[str, list[Instruction]]) -> None:
    cycles, (first, second) = issue_block((), code["dependent_logic"], taken=False)
    assert cycles == 2
    assert (first.cycle, first.younger, first.rule) == (0, False, "")
    assert (second.cycle, second.younger, second.rule) == (1, False, "late-result")
    assert second.register in first.instruction.results


def test_a_wrong_prediction_costs_less_where_the_flags_were_known_early(code: dict[str, list[Instruction]]) -> None:
    costs = [
        misprediction_cycles(block, issue_block((), block, taken=False)[1])
        for block in (code["flags_late"], code["flags_early"], code["compare_and_branch"][:1])
    ]
    assert costs == [8, 6, 8]


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
    assert not code["wide_constant"][0].shifts_operand


def test_a_post_increment_updates_its_base_and_loads_at_offset_zero(code):
    (load,) = code["post_increment"]
    assert load.unit is Unit.LOAD
    assert load.offset == 0
    assert load.updated_base == (load.base,)


def test_a_taken_branch_ends_a_pair_that_falling_through_would_fill(code):
    block, other = code["add"], code["other_add"]
    assert edge_cost(block, other, taken=False) == 0
    cycles, (issue,) = issue_block(block, other, taken=True)
    assert (cycles, issue.rule) == (1, "taken-branch")
