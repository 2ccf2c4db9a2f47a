"""Reads a TOML file into a validated model and says what is wrong with which of its lines."""

from __future__ import annotations

import os
import re
import tomllib
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from evbench.errors import ProfileError
from evbench.resources import resource

_M = TypeVar("_M", bound=BaseModel)

_KEY = r"""(?:"[^"]*"|'[^']*'|[\w\-]+)"""


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
    raw[name] = setting_value(value)


def setting_value(text: str) -> Any:
    """What a setting says when it is typed: a TOML value, or a string without its quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def wrong_value(problem: ErrorDetails) -> tuple[str, str]:
    """What is wrong with a value that pydantic refuses, and what to do about it."""
    message = re.sub(r"^(Value error|Assertion failed), ", "", problem["msg"])
    given = "" if problem["type"] == "value_error" else f", not {problem['input']!r}"
    message = re.sub(r"^Input should be ", "it should be ", message)
    choices = re.findall(r"'([^']+)'", str(problem.get("ctx", {}).get("expected", "")))
    return f"{message}{given}", _suggestion(str(problem["input"]), choices) or "Correct this value"


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
    message, remedy = wrong_value(problem)
    if not dotted:
        return ProfileError(f"The {what} is contradictory: {message}", where=where, remedy="")
    return ProfileError(f"{dotted} of the {what} is wrong: {message}", where=where, remedy=remedy)


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
            table = _parts(header[1])
            here = table
        elif assignment := re.match(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=", line):
            here = table + _parts(assignment[1])
        else:
            continue
        if len(here) > depth and keys[: len(here)] == here:
            found, depth = number, len(here)
    return found


def _parts(dotted: str) -> list[str]:
    """The keys of a dotted one, in which quoted keys may hold dots."""
    return [key.strip("\"'") for key in re.findall(_KEY, dotted)]
