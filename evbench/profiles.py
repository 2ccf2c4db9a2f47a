"""Board profiles and recipes: TOML files read into validated, frozen models."""

from __future__ import annotations

import os
import re
import tomllib
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from evbench.errors import ProfileError
from evbench.resources import resource

_BYTE_UNITS = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}
_TIME_UNITS = {"us": 1, "µs": 1, "ms": 1000, "s": 1_000_000}


def _quantity(value: object, units: dict[str, int], what: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]+)\s*", str(value))
    if not match or match[2] not in units:
        raise ValueError(f"{value!r} is not {what}; write a number and one of {', '.join(units)}")
    return round(float(match[1]) * units[match[2]])


def parse_duration(text: str) -> int:
    """Microseconds of a duration such as "50 ms". Raises ValueError when it is none or not above zero."""
    duration = _quantity(text, _TIME_UNITS, "a duration")
    if duration <= 0:
        raise ValueError(f"{text!r} is not longer than zero")
    return duration


Bytes = Annotated[int, BeforeValidator(lambda v: _quantity(v, _BYTE_UNITS, "a size"))]
"""A size in bytes, written "2 MiB"."""

Microseconds = Annotated[int, BeforeValidator(lambda v: _quantity(v, _TIME_UNITS, "a duration"))]
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
    """How an image is written to the board."""

    tool: Literal["openocd", "pyocd", "stm32cubeprogrammer", "st-flash", "virtual"]


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
    augment: tuple[Literal["shift", "flip", "reverse", "affine"], ...] = ()
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


_M = TypeVar("_M", bound=BaseModel)

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


def load_profile(
    model: type[_M], what: str, folder: str, name_or_path: str | Path, overrides: Mapping[str, str] | None = None
) -> _M:
    """The `what` of a name bundled in profiles/`folder`, or of a path, as a `model`.

    Raises ProfileError naming the file, the line and the nearest valid key.
    """
    overrides = overrides or {}
    path = _find(what, folder, name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"at line (\d+)", str(error))
        line = where[1] if where else len(text.splitlines())
        problem = re.sub(r" \(at .*\)$", "", str(error))
        raise ProfileError(
            f"The {what} is not valid TOML: {problem}", where=f"{path}, line {line}", remedy="Correct this line"
        ) from None
    except UnicodeDecodeError as error:
        raise ProfileError(
            f"The {what} is not a text file", where=f"{path}, byte {error.start}", remedy="Write it as UTF-8"
        ) from None
    except OSError as error:
        raise ProfileError(
            f"The {what} cannot be read: {error.strerror}", where=str(path), remedy="Check the path and its permissions"
        ) from None
    for key, value in overrides.items():
        _override(raw, key, value)
    raw.setdefault("id", path.stem)
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _first_problem(error, model, what, path, text, overrides) from None


def _find(what: str, folder: str, name_or_path: str | Path) -> Path:
    given = str(name_or_path)
    if isinstance(name_or_path, Path) or os.sep in given or given.endswith(".toml"):
        return Path(given).expanduser()
    bundled = {path.stem: path for path in sorted(resource("profiles", folder).glob("*.toml"))}
    if folder == "recipes" and resource("profiles", "benchmarks").joinpath(f"{given}.toml").exists():
        raise ProfileError(
            f'"{given}" is a benchmark: there is nothing to train',
            where="profiles/benchmarks",
            remedy=f"Measure it with `evbench bench network {given}`",
        )
    if given not in bundled:
        raise ProfileError(
            f'There is no {what} called "{given}"',
            where=f"Bundled: {', '.join(bundled)}",
            remedy=_suggestion(given, bundled) or "Choose one of these or give the path of a .toml file",
        )
    return bundled[given]


def _override(raw: dict[str, Any], key: str, value: str) -> None:
    *tables, name = key.split(".")
    for table in tables:
        raw = raw.setdefault(table, {})
        if not isinstance(raw, dict):
            raise ProfileError(
                f'"{table}" has no settings inside', where=f"--set {key}={value}", remedy="Check the key"
            )
    try:
        raw[name] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        raw[name] = value


def _first_problem(
    error: ValidationError, model: type[BaseModel], what: str, path: Path, text: str, overrides: Mapping[str, str]
) -> ProfileError:
    problem = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
    # Where a table is one of several kinds, its kind is part of the place but not of the file.
    tagged = [str(part) for part in problem["loc"]]
    keys = [part for number, part in enumerate(tagged) if not (number and tagged[number - 1].isdigit())]
    dotted = ".".join(keys)
    asked = next((key for key in overrides if dotted == key or dotted.startswith(f"{key}.")), None)
    asked = asked or next((key for key in overrides if key.startswith(f"{dotted}.")), None) if dotted else None
    line = _line_of(text, keys)
    where = f"--set {asked}={overrides[asked]}" if asked else f"{path}, line {line}" if line else str(path)
    valid = _keys_at(model, tagged[:-1])
    if problem["type"] == "extra_forbidden":
        inside = f" in [{'.'.join(keys[:-1])}]" if keys[:-1] else ""
        remedy = _suggestion(keys[-1], valid) or f"Valid keys are {', '.join(valid)}"
        return ProfileError(f'Unknown key "{keys[-1]}"{inside} of the {what}', where=where, remedy=remedy)
    if problem["type"] == "missing":
        return ProfileError(f'The {what} lacks "{dotted}"', where=where, remedy="Add it")
    message = re.sub(r"^(Value error|Assertion failed), ", "", problem["msg"])
    if not dotted:
        return ProfileError(f"The {what} is contradictory: {message}", where=where, remedy="")
    given = "" if problem["type"] == "value_error" else f", not {problem['input']!r}"
    message = re.sub(r"^Input should be ", "it should be ", message)
    choices = re.findall(r"'([^']+)'", str(problem.get("ctx", {}).get("expected", "")))
    remedy = _suggestion(str(problem["input"]), choices) or "Correct this value"
    return ProfileError(f"{dotted} of the {what} is wrong: {message}{given}", where=where, remedy=remedy)


def _suggestion(wrong: str, valid: typing.Iterable[str]) -> str:
    near = get_close_matches(wrong, list(valid), n=1, cutoff=0.6)
    return f'Did you mean "{near[0]}"' if near else ""


def _keys_at(model: type[BaseModel], keys: list[str]) -> list[str]:
    """The valid keys of the table `keys` of a model; list positions among the keys are passed over."""
    kinds: list[type[BaseModel]] = [model]
    for key in keys:
        named = [kind for kind in kinds if key in _names_of(kind)]
        below = [kind.model_fields[key].annotation for kind in kinds if key in kind.model_fields]
        if named:
            kinds = named
        elif below:
            kinds = [kind for annotation in below for kind in _models_in(annotation)]
    return [name for name in kinds[0].model_fields if name != "id"] if kinds else []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in _models_in(argument)]


def _names_of(model: type[BaseModel]) -> tuple[Any, ...]:
    """The names that tell a table of this kind."""
    return typing.get_args(model.model_fields["name"].annotation) if "name" in model.model_fields else ()


def _line_of(text: str, keys: list[str]) -> int | None:
    """The line, counted from 1, of the deepest of these nested keys that stands at the start of a line."""
    table: list[str] = []
    found, depth = None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            here = table
        elif assignment := re.match(r"\s*([\w.\-\"']+)\s*=", line):
            here = table + [part.strip("\"'") for part in assignment[1].split(".")]
        else:
            continue
        if len(here) > depth and keys[: len(here)] == here:
            found, depth = number, len(here)
    return found
