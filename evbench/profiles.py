"""Board profiles and recipes: TOML files read into validated, frozen models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from evbench.profile_files import load_profile
from evbench.resources import resource


@dataclass(frozen=True, slots=True)
class Quantity:
    """A whole number of something that profiles write with a unit; `units` says how many of it each unit is."""

    what: str
    units: Mapping[str, int]

    def read(self, value: object) -> int:
        """The number behind "50 ms"; a bare whole number is taken as it is. Raises ValueError where it is neither."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]+)\s*", str(value))
        if not match or match[2] not in self.units:
            raise ValueError(f"{value!r} is not {self.what}; write a number and one of {', '.join(self.units)}")
        return round(float(match[1]) * self.units[match[2]])

    def write(self, value: int) -> str:
        """The number with the largest unit that says it exactly: 50000 -> "50 ms"."""
        unit = max((name for name, size in self.units.items() if value % size == 0), key=lambda name: self.units[name])
        return f"{value // self.units[unit]} {unit}"


SIZE = Quantity("a size", {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2})
DURATION = Quantity("a duration", {"us": 1, "µs": 1, "ms": 1000, "s": 1_000_000})


def parse_duration(text: str) -> int:
    """Microseconds of a duration such as "50 ms". Raises ValueError when it is none or not above zero."""
    duration = DURATION.read(text)
    if duration <= 0:
        raise ValueError(f"{text!r} is not longer than zero")
    return duration


Bytes = Annotated[int, BeforeValidator(SIZE.read), SIZE]
"""A size in bytes, written "2 MiB"."""

Microseconds = Annotated[int, BeforeValidator(DURATION.read), DURATION]
"""A duration in microseconds, written "50 ms"."""


class Model(BaseModel):
    """A table of a profile: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- boards -----------------------------------------------------------------------------------------------------------


class Chip(Model):
    """What the board is. `port`: the folder of firmware/ports that runs on it, None where evbench has no firmware for
    it; `oversize` names the board profile that measures models too large for this one's flash."""

    name: str
    chip: str
    port: str | None = None
    core_hz: int = Field(gt=0)
    virtual: bool = False
    oversize: str | None = None


class Region(Model):
    """One memory: origin address and size in bytes. `wait_states` are extra core cycles per missed cache line."""

    origin: int = Field(ge=0)
    size: Bytes = Field(gt=0)
    wait_states: int = Field(default=0, ge=0)


class FlashTool(Model):
    """How an image is written to the board; the emulators "virtual" and "qemu" take it when they start."""

    tool: Literal["openocd", "pyocd", "stm32cubeprogrammer", "st-flash", "virtual", "qemu"]


class Link(Model):
    """The serial port: a device, or "auto"; `uart`: the chip's peripheral at the other end."""

    port: str = "auto"
    uart: str = "USART3"
    baud: int = Field(default=921_600, gt=0)


class BoardProfile(Model):
    """A board profile. `memory` maps region names (flash, itcm, dtcm, axi, sram, qspi) to regions; code runs from
    qspi where there is one, else from flash; `id` is the file's stem."""

    id: str
    board: Chip
    memory: dict[str, Region]
    flash: FlashTool
    link: Link = Link()
    toolchain: Literal["auto", "zig", "gcc"] = "auto"


# --- recipes ----------------------------------------------------------------------------------------------------------


DatasetName = Literal[
    "simulated-bars",
    "simulated-gestures",
    "dvs128-gesture",
    "folder",
    "nmnist-lists",
    "tonic:ASLDVS",
    "tonic:CIFAR10DVS",
    "tonic:DVSGesture",
    "tonic:DVSLip",
    "tonic:EBSSA",
    "tonic:NCALTECH101",
    "tonic:NERDD",
    "tonic:NMNIST",
    "tonic:POKERDVS",
]
"""The labelled sets; `evbench datasets list` says what each is and needs."""


class DatasetSettings(Model):
    """A labelled set by name; `path` where it lies; `subjects` and `seconds` per recording of simulated gestures."""

    name: DatasetName
    path: str | None = None
    subjects: int | None = Field(default=None, ge=3, le=29)
    seconds: float | None = Field(default=None, gt=0, le=600)


class BackgroundActivity(Model):
    """Keeps events near which another one fired at most `keep_within` before."""

    name: Literal["background-activity"]
    keep_within: Microseconds = Field(ge=0)


class HotPixels(Model):
    """Leaves out pixels that fire more than `factor` times as often as those around them."""

    name: Literal["hot-pixels"]
    factor: float = Field(default=10.0, gt=1)


class Refractory(Model):
    """Leaves out what a pixel fires within `period` of the event that was kept before."""

    name: Literal["refractory"]
    period: Microseconds = Field(gt=0)


class PolarityMerge(Model):
    """Takes every event for ON."""

    name: Literal["polarity-merge"]


class Crop(Model):
    """Keeps a rectangle of pixels, counted from the left and from the top."""

    name: Literal["crop"]
    left: int = Field(ge=0)
    top: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class Rotate(Model):
    """Turns the picture clockwise by quarters."""

    name: Literal["rotate"]
    quarters: int = Field(default=1, ge=1, le=3)


class Mirror(Model):
    """Swaps left and right, or top and bottom."""

    name: Literal["mirror"]
    swap: Literal["left-right", "top-bottom"] = "left-right"


class Downsample(Model):
    """Brings the sensor to `size`, [height, width] in pixels; events keep their number."""

    name: Literal["downsample"]
    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]


FilterSettings = Annotated[
    BackgroundActivity | HotPixels | Refractory | PolarityMerge | Crop | Rotate | Mirror | Downsample,
    Field(discriminator="name"),
]
"""One filter applied to every stream before windows are cut, told by its name."""

_FILTER = TypeAdapter[FilterSettings](FilterSettings)


def parse_filter(entry: object) -> FilterSettings:
    """A filter's settings from a table as recipes have it. Raises pydantic's ValidationError where it is none."""
    return _FILTER.validate_python(entry)


_Pixels = Annotated[int, Field(ge=8, le=1024)]


class Representation(Model):
    """What the network sees. size: [height, width] of the grid; `window` in microseconds."""

    kind: Literal["voxel"] = "voxel"
    bins: int = Field(default=5, ge=1, le=64)
    window: Microseconds = Field(default=50_000, gt=0)
    size: tuple[_Pixels, _Pixels] = (128, 128)
    filters: tuple[FilterSettings, ...] = ()


class NetworkSettings(Model):
    """The network by registered name or as `package.module:Class`; `frames` is the frame-accumulation baseline."""

    name: str = "voxel-dsc"
    frames: str = "frame-resnet"


Precision = Literal["int8", "int16", "fp32", "fp16"]
"""How a layer computes: in 8 bits, with its output on 16 bits, or in float32; fp16: with weights stored in half."""


class QuantizeSettings(Model):
    """How the network becomes integers. `percentile` is that of the two observers that have it in their name.

    Training with quantisation rounds from epoch `from_epoch` on. From the first epoch that begins after the part
    `freeze_ranges` of training the observers' ranges stay as they are, and after `freeze_norm` batch norm is folded
    into the weights with the statistics it has, so that training sees what the board computes; 1 leaves either free.
    Neither happens before one epoch was rounded. `weights` says whether every output channel of a convolution has a
    weight scale of its own or all share one; `per_channel_head` gives each logit's weights a scale of their own.
    `layers` gives layers, or modules and all layers in them, another precision than int8.
    """

    method: Literal["qat", "ptq"] = "qat"
    from_epoch: int = Field(default=0, ge=0)
    observer: Literal["minmax", "ema-minmax", "mse", "percentile", "nonzero-percentile", "zero-aware", "kl", "lsq"] = (
        "ema-minmax"
    )
    averaging_constant: float = Field(default=0.01, gt=0, le=1)
    percentile: float = Field(default=99.99, gt=50, le=100)
    freeze_ranges: float = Field(default=0.75, gt=0, le=1)
    freeze_norm: float = Field(default=0.75, gt=0, le=1)
    weights: Literal["per-channel", "per-tensor"] = "per-channel"
    per_channel_head: bool = False
    layers: dict[str, Precision] = {}

    @property
    def late(self) -> bool:
        """Whether training with quantisation takes over from a float training at epoch `from_epoch`."""
        return self.method == "qat" and self.from_epoch > 0


class TrainSettings(Model):
    """The training loop. `frames_epochs` shortens the frame baseline's training; `seed` fixes every random choice.

    `sparsity` is the weight in the loss of how dense activations are (training/sparsity.py): the mean share of elements
    behind a ReLU that are active, 0 to 1. 0.1 to 1 make more of them zero.
    """

    epochs: int = Field(default=15, ge=1)
    frames_epochs: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["cosine"] = "cosine"
    augment: tuple[Literal["shift", "flip", "reverse", "affine"], ...] = ()
    sparsity: float = Field(default=0.0, ge=0)
    seed: int = Field(default=0, ge=0)


class Budget(Model):
    """What the model may cost: bytes, microseconds, percentage points of accuracy."""

    flash: Bytes = 1_000_000
    ram: Bytes = 512 * 1024
    latency: Microseconds = 20_000
    accuracy_drop_points: float = 2.0


class Recipe(Model):
    """A recipe; `id` is the file's stem."""

    id: str
    dataset: DatasetSettings
    representation: Representation = Representation()
    network: NetworkSettings = NetworkSettings()
    quantize: QuantizeSettings = QuantizeSettings()
    train: TrainSettings = TrainSettings()
    budget: Budget = Budget()
    board: str = "virtual-h743"
    parity_windows: int = Field(default=16, ge=1)

    @model_validator(mode="after")
    def _quantised_training_begins_before_the_end(self) -> Self:
        if self.quantize.method == "qat" and self.quantize.from_epoch >= self.train.epochs:
            raise ValueError(
                f"quantize.from_epoch is {self.quantize.from_epoch} but training ends after train.epochs = "
                f"{self.train.epochs}; begin earlier or train longer"
            )
        return self


# --- files ------------------------------------------------------------------------------------------------------------


def load_board(name_or_path: str | Path) -> BoardProfile:
    """A bundled board profile by name, or any by path.

    Raises ProfileError naming the file, the line and the nearest valid key.
    """
    return load_profile(BoardProfile, "board profile", "boards", name_or_path)


def load_recipe(name_or_path: str | Path, overrides: Mapping[str, str] | None = None) -> Recipe:
    """A bundled recipe by name, or any by path, with settings such as {"train.epochs": "2"} in place of the file's.

    Raises ProfileError naming the file, the line and the nearest valid key.
    """
    return load_profile(Recipe, "recipe", "recipes", name_or_path, overrides)


def list_boards() -> list[BoardProfile]:
    """The bundled board profiles by name."""
    return [load_board(path) for path in sorted(resource("profiles", "boards").glob("*.toml"))]


def list_recipes() -> list[Recipe]:
    """The bundled recipes by name."""
    return [load_recipe(path) for path in sorted(resource("profiles", "recipes").glob("*.toml"))]
