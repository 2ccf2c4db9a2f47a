from __future__ import annotations

import struct

import pytest
from elftools.elf.elffile import ELFFile

from evbench.boards.virtual.parts import Counted
from evbench.boards.virtual.rules import RULES

FIRST_LINE_MISSES = 64


def test_a_board_boots_and_echoes_what_it_hears(machine):
    _, line = machine
    line.write(b"eZ")
    assert line.read(1) == b"Z"


def test_single_and_double_precision_arithmetic_work(machine):
    _, line = machine
    assert struct.pack("<I", line.ask(b"f")) == struct.pack("<f", 1.5 * 2.0 + 2.25 * 3.0)


def test_a_supervisor_call_enters_its_handler_and_returns(machine):
    _, line = machine
    assert [line.ask(b"s"), line.ask(b"s")] == [1, 2]


def test_reading_where_no_memory_is_raises_a_hard_fault_that_names_the_address(machine):
    _, line = machine
    line.write(b"x")
    status, address, pc = struct.unpack("<3I", line.read(13)[1:])
    assert status & 1 << 9
    assert address == 0xA0000000
    assert 0x08000000 < pc < 0x08002000


def test_an_undefined_instruction_raises_a_hard_fault(machine):
    _, line = machine
    line.write(b"u")
    assert struct.unpack("<I", line.read(13)[1:5])[0] & 1 << 16


def test_a_board_starts_again_after_a_fault_or_when_firmware_asks(machine):
    _, line = machine
    for command in (b"x", b"r"):
        line.write(command)
        assert line.read(14 if command == b"x" else 1)[-1:] == b"!"


def test_a_probe_can_reset_the_board(machine):
    board, line = machine
    board.call(board.reset)
    assert line.read(1) == b"!"


def test_the_cycle_counter_stands_still_until_it_is_enabled(machine):
    _, line = machine
    line.write(b"h")
    assert line.read(1) == b"\x01"


def test_the_same_loop_takes_the_same_cycles_every_time(machine):
    _, line = machine
    line.ask(b"l")
    warm = [line.ask(b"l") for _ in range(4)]
    assert len(set(warm)) == 1
    assert 3000 < warm[0] < 4100


def test_the_first_pass_through_code_pays_for_instruction_cache_misses(machine):
    board, line = machine
    before = board.counters().instruction_misses
    line.ask(b"l")
    assert board.counters().instruction_misses > before
    warm = board.counters().instruction_misses
    line.ask(b"l")
    assert board.counters().instruction_misses == warm


def test_every_line_read_for_the_first_time_costs_what_its_memory_costs(machine, profile):
    board, line = machine
    hits = [line.ask(command) for command in (b"n", b"n", b"q", b"q")]
    board.call(lambda: board.set_data_cache(True))
    axi, axi_again, qspi = line.ask(b"n"), line.ask(b"n"), line.ask(b"q")
    assert axi - hits[1] == FIRST_LINE_MISSES * 16
    assert axi_again == hits[1]
    assert qspi - hits[3] == FIRST_LINE_MISSES * profile.memory["qspi"].wait_states


def test_lines_read_from_flash_wait_longer_than_lines_of_sram(machine):
    board, line = machine
    known = [line.ask(b"g\x00") for _ in range(2)][1]
    board.call(lambda: board.set_data_cache(True))
    assert line.ask(b"g\x01") - known == FIRST_LINE_MISSES * RULES["data-line-flash"].cycles


def test_lines_that_a_store_lacks_cost_a_quarter(machine):
    board, line = machine
    known = [line.ask(b"k\x00") for _ in range(2)][1]
    board.call(lambda: board.set_data_cache(True))
    part = RULES["write-miss"].cycles * RULES["data-line-sram"].cycles
    assert line.ask(b"k\x01") - known == pytest.approx(FIRST_LINE_MISSES * part, abs=1)


def test_tightly_coupled_memory_answers_without_a_wait(machine):
    board, line = machine
    known = [line.ask(b"d") for _ in range(2)][1]
    board.call(lambda: board.set_data_cache(True))
    assert line.ask(b"d") == known


def test_a_call_through_a_register_costs_more_than_one_by_name(machine):
    _, line = machine
    by_name = [line.ask(b"b") for _ in range(2)][1]
    through_register = [line.ask(b"i") for _ in range(2)][1]
    assert (through_register - by_name) / 1000 == pytest.approx(RULES["indirect-branch"].cycles, abs=0.5)


def test_a_loop_of_byte_stores_runs_at_the_pace_of_the_store_buffer(machine):
    _, line = machine
    words, narrow = ([line.ask(command) for _ in range(2)][1] for command in (b"p", b"o"))
    assert words == pytest.approx(2000, abs=50)
    assert narrow == pytest.approx(1000 * RULES["store-buffer"].cycles, rel=0.03)


def test_data_cache_misses_stop_being_charged_when_the_pass_ends(machine):
    board, line = machine
    line.ask(b"n")
    plain = line.ask(b"n")
    board.call(lambda: board.set_data_cache(True))
    assert line.ask(b"n") > plain
    board.call(lambda: board.set_data_cache(False))
    line.ask(b"q")
    assert line.ask(b"n") == plain


def test_halting_the_core_again_and_again_changes_neither_results_nor_cycles(machine):
    board, line = machine
    line.ask(b"w\x12")
    start = board.counters().cycles
    quiet = line.ask(b"w\x12")
    cycles = board.counters().cycles - start
    start = board.counters().cycles
    line.write(b"w\x12")
    for _ in range(20):
        board.call(lambda: None)
    assert int.from_bytes(line.read(4), "little") == quiet
    assert abs(board.counters().cycles - start - cycles) < cycles / 1000


def test_without_timing_results_stay_and_cycles_stand_still(machine):
    board, line = machine
    timed = line.ask(b"w\x08")
    board.call(lambda: board.set_counted(Counted.NOTHING))
    before = board.counters().cycles
    assert line.ask(b"w\x08") == timed
    assert board.counters().cycles == before


def test_the_counter_of_cycles_can_count_instructions(machine):
    board, line = machine
    board.call(lambda: board.set_counted(Counted.INSTRUCTIONS))
    assert 3995 <= line.ask(b"l") <= 4010  # a thousand turns of four instructions


def test_a_breakpoint_captures_each_layers_output_as_the_layer_ends(machine, exercise):
    board, line = machine
    with exercise.open("rb") as file:
        table = {s.name: s["st_value"] for s in ELFFile(file).get_section_by_name(".symtab").iter_symbols()}
    outputs = [(table["outputs"], 16), (table["outputs"] + 16, 16)]
    board.call(lambda: board.capture.start(table["layer_done"], outputs))
    line.write(b"c")
    line.read(1)
    assert board.call(board.capture.take) == bytes(range(32))
    board.call(lambda: board.capture.start(0, []))
    line.write(b"c")
    line.read(1)
    assert board.call(board.capture.take) == b""


def test_a_program_that_is_erased_does_not_run_on(machine):
    board, _ = machine

    def erase():
        board.hold()
        board._flash["flash"].erase(0x08000000, 1)
        board.flash_changed()
        board.reset()

    board.call(erase)
    assert board.call(lambda: board.blank)


def test_a_board_that_was_held_for_flashing_is_not_blank_from_the_moment_of_its_reset(machine):
    board, _ = machine

    def reflash() -> tuple[bool, bool]:
        board.hold()
        held = board.blank
        board.reset()
        return held, board.blank

    assert board.call(reflash) == (True, False)
