"""Board profiles and recipes: TOML files read into validated, frozen models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_BYTE_UNITS = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}
_TIME_UNITS = {"us": 1, "µs": 1, "ms": 1000, "s": 1_000_000}


def _quantity(value: object, units: dict[str, int], what: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]+)\s*", str(value))
    if not match or match[2] not in units:
        raise ValueError(f"{value!r} is not {what}; write a number and one of {', '.join(units)}")
    return round(float(match[1]) * units[match[2]])


Bytes = Annotated[int, BeforeValidator(lambda v: _quantity(v, _BYTE_UNITS, "a size"))]
"""A size in bytes, written "2 MiB"."""

Microseconds = Annotated[int, BeforeValidator(lambda v: _quantity(v, _TIME_UNITS, "a duration"))]
"""A duration in microseconds, written "50 ms"."""


class Model(BaseModel):
    """A table of a profile: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- boards -----------------------------------------------------------------------------------------------------------


class Chip(Model):
    """What the board is. `oversize` names the board profile that measures models too large for this one's flash."""

    name: str
    chip: str
    port: str
    core_hz: int = Field(gt=0)
    virtual: bool = False
    oversize: str | None = None


class Region(Model):
    """One memory: origin address and size in bytes. `wait_states` are extra core cycles per missed cache line."""

    origin: int = Field(ge=0)
    size: Bytes = Field(gt=0)
    wait_states: int = Field(default=0, ge=0)


class FlashTool(Model):
    """How an image is written to the board."""

    tool: Literal["openocd", "pyocd", "stm32cubeprogrammer", "st-flash", "virtual"]


class Link(Model):
    """The serial port: a device, or "auto"."""

    port: str = "auto"
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


class DatasetSettings(Model):
    """A labelled set: "simulated-bars", "folder" (split/class.suffix) or "nmnist-lists"; `path` where it lies."""

    name: str
    path: str | None = None


class FilterSettings(Model):
    """One filter applied to every stream before windows are cut."""

    name: Literal["background-activity"]
    keep_within: Microseconds


class Representation(Model):
    """What the network sees. size: [height, width] of the grid; `window` in microseconds."""

    kind: Literal["voxel"] = "voxel"
    bins: int = Field(default=5, ge=1, le=64)
    window: Microseconds = Field(default=50_000, gt=0)
    size: tuple[int, int] = (128, 128)
    filters: tuple[FilterSettings, ...] = ()


class NetworkSettings(Model):
    """The network by registered name or as `package.module:Class`; `frames` is the frame-accumulation baseline."""

    name: str = "voxel-dsc"
    frames: str = "frame-resnet"


class QuantizeSettings(Model):
    """How the network becomes integers."""

    method: Literal["qat", "ptq"] = "qat"
    from_epoch: int = Field(default=0, ge=0)
    observer: Literal["ema-minmax"] = "ema-minmax"
    averaging_constant: float = Field(default=0.01, gt=0, le=1)


class TrainSettings(Model):
    """The training loop. `frames_epochs` shortens the frame baseline's training; `seed` fixes every random choice."""

    epochs: int = Field(default=15, ge=1)
    frames_epochs: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["cosine"] = "cosine"
    augment: tuple[Literal["shift", "flip"], ...] = ()
    seed: int = 0


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


def load_board(name_or_path: str | Path) -> BoardProfile: ...
def load_recipe(name_or_path: str | Path) -> Recipe: ...
