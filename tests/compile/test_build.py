"""Images: what is in them, when they are built again, and what is said when they do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evbench.compile.build import Build, build_firmware
from evbench.compile.generate import layer_scratch_bytes
from evbench.compile.image import read_image
from evbench.compile.linker import STACK_BYTES, linker_script
from evbench.errors import BuildError, ModelError, WorkspaceError
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile, load_board
from tests.graph.networks import float_graph, random_graph


@pytest.fixture(scope="session")
def build(small_graph: IntegerGraph, board: BoardProfile, builds: Path) -> Build:
    return build_firmware(small_graph, board, builds)


def resized(board: BoardProfile, **sizes: int) -> BoardProfile:
    memory = {
        name: region.model_copy(update={"size": sizes.get(name, region.size)}) for name, region in board.memory.items()
    }
    return board.model_copy(update={"memory": memory})


def bytes_at(build: Build, symbol: str, length: int) -> bytes:
    address = build.symbols[symbol][0]
    for segment in read_image(build.elf).segments:
        if segment.address <= address < segment.address + len(segment.content):
            start = address - segment.address
            return segment.content[start : start + length]
    raise AssertionError(f"{symbol} is not in the image")


def test_the_image_carries_its_build_id_and_the_networks_digest(build: Build, small_graph: IntegerGraph) -> None:
    assert bytes_at(build, "ev_build_id", 16).hex() == build.build_id
    assert bytes_at(build, "ev_model_digest", 32).hex() == build.graph_digest == small_graph.digest


def test_the_vector_table_is_the_first_thing_in_flash(build: Build) -> None:
    first = min(read_image(build.elf).segments, key=lambda segment: segment.address)
    stack, reset = (int.from_bytes(first.content[start : start + 4], "little") for start in (0, 4))
    assert first.address == 0x08000000
    assert stack == 0x20000000 + STACK_BYTES
    assert reset == build.symbols["ev_reset"][0] | 1


def test_sizes_add_up_to_what_the_regions_hold(build: Build, small_graph: IntegerGraph) -> None:
    assert build.flash_bytes == build.regions["flash"]
    assert build.ram_bytes == build.regions["axi"] + build.regions["dtcm"] + build.regions["sram"]
    assert build.regions["dtcm"] >= STACK_BYTES + small_graph.tensors["input"].bytes
    loaded = sum(len(segment.content) for segment in read_image(build.elf).segments)
    assert loaded <= build.flash_bytes + 256


def test_every_tensor_has_a_place_in_ram(build: Build, small_graph: IntegerGraph, board: BoardProfile) -> None:
    dtcm = board.memory["dtcm"]
    assert list(build.tensors) == list(small_graph.tensors)
    for number, (name, place) in enumerate(build.tensors.items()):
        assert (place.index, place.bytes) == (number, small_graph.tensors[name].bytes)
        assert dtcm.origin + STACK_BYTES <= place.address
        assert place.address + place.bytes <= dtcm.origin + dtcm.size


def test_a_window_too_large_for_dtcm_lies_in_axi_and_what_follows_it_in_dtcm(board: BoardProfile, builds: Path) -> None:
    graph = random_graph(5, size=(128, 128), width=4)
    build = build_firmware(graph, board, builds)
    assert build.tensors["input"].address == board.memory["axi"].origin
    dtcm = board.memory["dtcm"]
    later = [place.address for name, place in build.tensors.items() if name != "input"]
    assert all(dtcm.origin <= address < dtcm.origin + dtcm.size for address in later)


def test_the_same_inputs_take_the_image_that_is_there(
    build: Build, small_graph: IntegerGraph, board: BoardProfile, builds: Path
) -> None:
    made = build.elf.stat().st_mtime_ns
    assert build_firmware(small_graph, board, builds) == build
    assert build.elf.stat().st_mtime_ns == made


def test_building_elsewhere_gives_the_same_bytes(
    build: Build, small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path
) -> None:
    again = build_firmware(small_graph, board, tmp_path)
    assert again.build_id == build.build_id
    assert again.elf.read_bytes() == build.elf.read_bytes()


def test_another_network_or_board_gives_another_build_id(
    build: Build, small_graph: IntegerGraph, board: BoardProfile, builds: Path
) -> None:
    other_board = board.model_copy(update={"board": board.board.model_copy(update={"name": "Another"})})
    other_graph = random_graph(6, size=(32, 32), bins=2, width=4, classes=4)
    found = {
        build.build_id,
        build_firmware(small_graph, other_board, builds).build_id,
        build_firmware(other_graph, board, builds).build_id,
    }
    assert len(found) == 3


def test_a_half_written_build_is_built_again(
    small_graph: IntegerGraph, board: BoardProfile, build: Build, tmp_path: Path
) -> None:
    (tmp_path / build.build_id).mkdir()
    (tmp_path / build.build_id / "firmware.elf").write_bytes(b"\x7fELF, but not all of it")
    assert build_firmware(small_graph, board, tmp_path).elf.read_bytes() == build.elf.read_bytes()


def test_gcc_and_zig_give_different_images_of_one_network(
    build: Build, small_graph: IntegerGraph, gcc_board: BoardProfile, builds: Path
) -> None:
    other = build_firmware(small_graph, gcc_board, builds)
    assert other.toolchain.startswith("gcc ")
    assert other.graph_digest == build.graph_digest
    assert [place.bytes for place in other.tensors.values()] == [place.bytes for place in build.tensors.values()]
    assert other.build_id != build.build_id


def test_constants_lie_in_qspi_flash_where_the_board_has_it(small_graph: IntegerGraph, builds: Path) -> None:
    board = load_board("virtual-h743-qspi").model_copy(update={"toolchain": "zig"})
    build = build_firmware(small_graph, board, builds)
    assert build.symbols["ev_weights"][0] == 0x90000000
    assert build.regions["qspi"] > small_graph.weight_bytes // 2
    assert build.flash_bytes == build.regions["flash"] + build.regions["qspi"]


def test_an_image_too_large_for_flash_names_region_and_largest_layer(board: BoardProfile, tmp_path: Path) -> None:
    graph = float_graph(1, size=(16, 16), bins=2, width=24)
    with pytest.raises(BuildError, match=r"flash is [\d,]+ bytes too small") as caught:
        build_firmware(graph, resized(board, flash=56 * 1024), tmp_path)
    assert "region flash of 57,344 bytes" in caught.value.where
    assert "largest layer 'conv6'" in caught.value.where
    assert [path.name for path in tmp_path.iterdir()] == ["objects"]


def test_activations_too_large_for_ram_name_the_layer(board: BoardProfile, tmp_path: Path) -> None:
    graph = random_graph(1, size=(64, 64))
    with pytest.raises(ModelError, match="do not fit the board's memory") as caught:
        build_firmware(graph, resized(board, axi=32 * 1024, sram=4096, dtcm=40 * 1024), tmp_path)
    assert "conv0" in caught.value.where


def test_a_board_without_a_known_port_is_refused(
    small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path
) -> None:
    other = board.model_copy(update={"board": board.board.model_copy(update={"port": "stm32h747"})})
    with pytest.raises(BuildError, match="no firmware port 'stm32h747'") as caught:
        build_firmware(small_graph, other, tmp_path)
    assert "stm32h743" in caught.value.remedy


def test_a_board_without_dtcm_is_refused(board: BoardProfile) -> None:
    memory = {name: region for name, region in board.memory.items() if name != "dtcm"}
    with pytest.raises(BuildError, match="no memory region 'dtcm'"):
        linker_script(board.model_copy(update={"memory": memory}))


def test_a_directory_that_cannot_be_written_is_named(
    small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path
) -> None:
    (tmp_path / "builds").touch()
    with pytest.raises(WorkspaceError) as caught:
        build_firmware(small_graph, board, tmp_path / "builds")
    assert "builds" in caught.value.where


def test_a_file_that_is_no_image_is_refused(tmp_path: Path, build: Build) -> None:
    (tmp_path / "text.elf").write_text("hello")
    with pytest.raises(BuildError, match="no firmware image"):
        read_image(tmp_path / "text.elf")
    shutil.copy(build.elf, tmp_path / "cut.elf")
    (tmp_path / "cut.elf").write_bytes(build.elf.read_bytes()[:200])
    with pytest.raises(BuildError, match="no firmware image"):
        read_image(tmp_path / "cut.elf")


@pytest.mark.parametrize("toolchain", ["board", "gcc_board"])
def test_weights_read_once_are_copied_to_dtcm_and_stored_in_whole_words_of_flash(
    toolchain: str, builds: Path, small_graph: IntegerGraph, request: pytest.FixtureRequest
) -> None:
    profile: BoardProfile = request.getfixturevalue(toolchain)
    build = build_firmware(small_graph, profile, builds)
    dtcm = profile.memory["dtcm"]
    assert dtcm.origin <= build.symbols["ev_fast_weights"][0] < dtcm.origin + dtcm.size
    assert all(segment.address % 32 == 0 for segment in read_image(build.elf).segments)


def test_scratch_of_the_kernels_is_part_of_the_memory_report(
    board: BoardProfile, builds: Path, small_graph: IntegerGraph
) -> None:
    build = build_firmware(small_graph, board, builds)
    scratch = max(layer_scratch_bytes(small_graph, operator) for operator in small_graph.operators)
    assert build.symbols["arena_dtcm"][1] > scratch > 0
    assert build.regions["dtcm"] > STACK_BYTES + scratch
