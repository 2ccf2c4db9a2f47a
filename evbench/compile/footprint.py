"""What a build takes of the board's memory: per region, per layer, and the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from evbench.compile.build import Build
from evbench.compile.generate import generate, layer_scratch_bytes
from evbench.compile.image import Image, read_image
from evbench.compile.linker import STACK_BYTES
from evbench.compile.placement import plan_for
from evbench.compile.stack import StackBound, stack_bound
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile, Region

PARTS = ("code", "constants", "arena", "filter", "activity", "stack", "rest")
SECTIONS = {".vectors": "code", ".text": "code", ".stack": "stack"}
VARIABLES = {"arena_": "arena", "site_bits_": "activity"}  # how symbols begin


@dataclass(frozen=True, slots=True)
class RegionUse:
    """Bytes of one memory region; `parts` divide `used`, by the names of PARTS.

    arena: activations, and the scratch of layers between them; filter: what the noise filter remembers.
    """

    name: str
    size: int
    used: int
    parts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LayerUse:
    """One layer. constants: in flash; saved: bytes that weights in half precision save there; code: of its kernel,
    which layers of one kind share; activations: bytes held at once while it runs; region: where its output lies;
    scratch: DTCM that its kernel uses meanwhile; choice: whether it skips what saw no event, and why."""

    name: str
    kind: str
    kernel: str
    constants: int
    saved: int
    code: int
    activations: int
    output: int
    region: str
    scratch: int
    choice: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """A build's memory. `stack_reserved` is what the linker script sets aside, `stack` the most that can be used."""

    board: str
    toolchain: str
    regions: tuple[RegionUse, ...]
    layers: tuple[LayerUse, ...]
    stack_reserved: int
    stack: StackBound

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers."""
        return asdict(self)


def footprint(graph: IntegerGraph, board: BoardProfile, build: Build) -> Footprint:
    """Measure the image of `build`, which `build_firmware` made of `graph` for `board`."""
    image = read_image(build.elf)
    plan = plan_for(graph, board)
    generated = generate(graph, plan)
    layers = tuple(
        LayerUse(
            name=operator.name,
            kind=operator.kind,
            kernel=kernel,
            constants=generated.constant_bytes[operator.name],
            saved=graph.half_bytes.get(operator.name, 0),
            code=image.symbols.get(kernel, (0, 0))[1],
            activations=plan.live[operator.name],
            output=graph.tensors[operator.output].bytes,
            region=plan.placements[operator.output].region,
            scratch=layer_scratch_bytes(graph, operator),
            choice=choice.reason,
        )
        for operator, kernel, choice in zip(graph.operators, generated.layer_kernels, generated.choices, strict=True)
    )
    fast = generated.fast_bytes
    stored = len(generated.files["weights.bin"]) - fast
    used = image.region_bytes({name: (region.origin, region.size) for name, region in board.memory.items()})
    constants = {"qspi" if "qspi" in board.memory else "flash": stored, "dtcm": fast}
    constants["flash"] = constants.get("flash", 0) + fast  # what start-up copies from
    lasting = {plan.lasting.region: plan.lasting.bytes} if plan.lasting else {}
    regions = tuple(
        RegionUse(name, region.size, used[name], _parts(image, region, used[name], constants.get(name, 0), kept))
        for name, region in board.memory.items()
        for kept in (lasting.get(name, 0),)
    )
    return Footprint(build.board, build.toolchain, regions, layers, STACK_BYTES, stack_bound(build.elf))


def _parts(image: Image, region: Region, used: int, constants: int, lasting: int) -> dict[str, int]:
    """What a region holds, by the names of PARTS, nothing left out."""

    def inside(address: int) -> bool:
        return region.origin <= address < region.origin + region.size

    parts = dict.fromkeys(PARTS, 0) | {"constants": constants}
    for section in image.sections:
        if section.name in SECTIONS and inside(section.address):
            parts[SECTIONS[section.name]] += section.size
    for start, part in VARIABLES.items():
        parts[part] = sum(
            size for name, (address, size) in image.symbols.items() if name.startswith(start) and inside(address)
        )
    parts["filter"], parts["arena"] = lasting, parts["arena"] - lasting
    parts["rest"] = used - sum(parts.values())
    return {part: parts[part] for part in PARTS if parts[part]}
