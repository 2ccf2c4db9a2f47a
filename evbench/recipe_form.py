"""Recipes as people write them: every setting with what may stand there, checked while it is typed, written as TOML."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from evbench.profile_files import setting_value, wrong_value
from evbench.profiles import Quantity, Recipe

_SIGNS = ((Gt, "gt", ">"), (Ge, "ge", "≥"), (Lt, "lt", "<"), (Le, "le", "≤"))
_NUMBERS = {int: "whole number", float: "number"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a recipe: its key ("train.epochs"), what may stand there, and the words to choose from if few."""

    key: str
    hint: str
    choices: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """The table it stands in; "" for settings outside of tables."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Draft:
    """What typed settings come to: a recipe, or what is wrong by key; "" is the key of contradictions."""

    recipe: Recipe | None
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting in which two recipes differ, as each writes it; "" where one leaves it away."""

    key: str
    before: str
    after: str


def recipe_settings() -> tuple[Setting, ...]:
    """Every setting a recipe can have, in the order in which recipes are written."""
    return tuple(
        Setting(key, _hint(field), tuple(map(str, _literals(field.annotation)))) for key, field in _fields(Recipe)
    )


def table_sentence(table: str) -> str:
    """What a table of a recipe is about, in a sentence or two."""
    model = Recipe.model_fields[table].annotation
    return " ".join((inspect.getdoc(model) or "").partition("\n\n")[0].split())


def written(recipe: Recipe) -> dict[str, str]:
    """Every setting of a recipe as it is written in a file, by key; settings that are left away are missing."""
    values: dict[str, str] = {}
    for key, field in _fields(Recipe):
        holder: Any = recipe
        *tables, name = key.split(".")
        for table in tables:
            holder = getattr(holder, table)
        value = getattr(holder, name)
        if value is not None:
            values[key] = _toml(value, field)
    return values


def typed(recipe: Recipe) -> dict[str, str]:
    """As `written`, with strings as a person types them: without quotes."""
    values = written(recipe)
    return {key: json.loads(text) if text.startswith('"') else text for key, text in values.items()}


def check_settings(identity: str, texts: Mapping[str, str]) -> Draft:
    """The recipe called `identity` of settings as they are typed; an empty one is left away.

    Strings may go without their quotes, as in `--set`.
    """
    raw: dict[str, Any] = {"id": identity}
    for key, text in texts.items():
        if text.strip():
            *tables, name = key.split(".")
            holder = raw
            for table in tables:
                holder = holder.setdefault(table, {})
            holder[name] = setting_value(text.strip())
    raw.setdefault("dataset", {})
    try:
        return Draft(Recipe.model_validate(raw), {})
    except ValidationError as error:
        problems: dict[str, str] = {}
        for problem in error.errors(include_url=False):
            message, remedy = wrong_value(problem)
            said = f"{problem['loc'][-1]} is needed" if problem["type"] == "missing" else message
            near = f". {remedy}?" if remedy.startswith("Did you mean") else ""
            problems.setdefault(_key_at(problem["loc"]), f"{said}{near}")
        return Draft(None, problems)


def recipe_toml(recipe: Recipe, comment: str = "") -> str:
    """A recipe as the text of a file, every setting said; `comment` stands on its first line."""
    lines = [f"# {comment}"] if comment else []
    table = ""
    for key, text in written(recipe).items():
        inside, _, name = key.rpartition(".")
        if inside != table:
            table = inside
            lines += ["", f"[{table}]"] if lines else [f"[{table}]"]
        lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"


def differences(before: Recipe, after: Recipe) -> tuple[Difference, ...]:
    """The settings in which two recipes differ, in the order in which recipes are written."""
    old, new = written(before), written(after)
    keys = [key for key, _ in _fields(Recipe) if old.get(key) != new.get(key)]
    return tuple(Difference(key, old.get(key, ""), new.get(key, "")) for key in keys)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Settings outside of tables come first, as TOML wants it."""
    nested = {name: _model(field) for name, field in model.model_fields.items()}
    for name, field in model.model_fields.items():
        if nested[name] is None and name != "id":
            yield name, field
    for name, table in nested.items():
        if table is not None:
            for below, field in _fields(table):
                yield f"{name}.{below}", field


def _model(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _key_at(place: tuple[int | str, ...]) -> str:
    """The key of the setting in which a problem lies: lists and filters are one setting each."""
    names = [str(part) for part in place]
    return next((key for key, _ in _fields(Recipe) if key.split(".") == names[: key.count(".") + 1]), "")


def _toml(value: Any, field: FieldInfo) -> str:
    quantity = _quantity(field)
    if quantity is not None:
        return json.dumps(quantity.write(value))
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        return "{ " + ", ".join(f"{name} = {_toml(getattr(value, name), below)}" for name, below in fields) + " }"
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(name)} = {json.dumps(item)}" for name, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item, field) for item in value)}]"
    return json.dumps(value)


def _quantity(field: FieldInfo) -> Quantity | None:
    return next((item for item in field.metadata if isinstance(item, Quantity)), None)


def _hint(field: FieldInfo) -> str:
    quantity = _quantity(field)
    kind = _without_none(field.annotation)
    limits = _limits(field.metadata)
    optional = ", or nothing" if kind is not field.annotation else ""
    if quantity is not None:
        return f"{quantity.what} in {', '.join(quantity.units)}{limits}"
    if choices := _literals(kind):
        return f"{' | '.join(map(str, choices))}{optional}"
    if kind in _NUMBERS:
        return f"{_NUMBERS[kind]}{limits}{optional}"
    if kind is str:
        return f"text{optional}"
    if typing.get_origin(kind) is dict:
        return f'{{ "blocks.0" = "…" }}, each one of {", ".join(map(str, _literals(typing.get_args(kind)[1])))}'
    return _list_hint(kind)


def _list_hint(kind: Any) -> str:
    items = [item for item in typing.get_args(kind) if item is not Ellipsis]
    literals = [str(choice) for item in items for choice in _literals(item)]
    if literals:
        return f"a list of {', '.join(literals)}"
    if typing.get_origin(items[0]) is typing.Annotated and typing.get_args(items[0])[0] is int:
        limits = _limits([part for item in typing.get_args(items[0])[1:] for part in getattr(item, "metadata", ())])
        return f"[height, width] in pixels{limits}"
    return '[{ name = "background-activity", keep_within = "30 ms" }, …]'


def _limits(metadata: list[Any]) -> str:
    signs = [
        f"{sign} {getattr(item, name):g}" for item in metadata for kind, name, sign in _SIGNS if type(item) is kind
    ]
    return f" {', '.join(signs)}" if signs else ""


def _literals(kind: Any) -> tuple[Any, ...]:
    kind = _without_none(kind)
    if kind is bool:
        return ("true", "false")
    return typing.get_args(kind) if typing.get_origin(kind) is Literal else ()


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        rest = [item for item in typing.get_args(kind) if item is not type(None)]
        return rest[0] if len(rest) == 1 else kind
    return kind
