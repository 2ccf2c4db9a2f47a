"""A study as a file: the claim it tests, the variants of a recipe that it trains, and what the claim says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from evbench.errors import ProfileError
from evbench.profile_files import load_profile
from evbench.profiles import DatasetSettings, Model, Recipe
from evbench.resources import resource

Figure = Literal["window", "group", "recording", "latency_ms", "zero_share", "useful_macs", "oscillation"]
"""What is measured of a variant.

window, group, recording: accuracy on the test split per window, on the mean of four and per recording; latency_ms: of
the median window on the board; zero_share: share of activations that are stored as zero; useful_macs: share of
multiply-accumulates at active sites that meet an input other than zero; oscillation: how much scales move about their
trend in the second half of training, the median of all tensors.
"""

_SHARE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s+([a-z_]+(?:\.[a-z_]+)*)\s*")


class Variant(Model):
    """One row of a study: an approach, with some of the recipe's settings replaced.

    settings: keys such as "quantize.observer" with their values. shares: keys whose value is a share of another
    setting of the recipe, such as "0.5 representation.window".
    """

    approach: Literal["fp32-frames", "fp32-voxel", "ptq-int8", "qat-int8"]
    settings: dict[str, bool | int | float | str | list[str]] = Field(default_factory=dict)
    shares: dict[str, str] = Field(default_factory=dict)

    def recipe(self, base: Recipe, seed: int) -> Recipe:
        """`base` with this variant's settings and `seed`. Raises ValueError where that is no recipe."""
        values = base.model_dump(mode="json")
        for key, value in self.settings.items():
            _put(values, key, value)
        for key, text in self.shares.items():
            found = _SHARE.fullmatch(text)
            if found is None:
                raise ValueError(f'{key} is {text!r}; write a share and a setting, "0.5 representation.window"')
            _put(values, key, round(float(found[1]) * _number(base, found[2])))
        _put(values, "train.seed", seed)
        try:
            return Recipe.model_validate(values)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(map(str, problem["loc"]))
            message = problem["msg"].removeprefix("Value error, ")
            raise ValueError(f"{where}: {message}" if where else message) from None


class Expectation(Model):
    """What the claim says of two variants: `figure` of `higher` is above that of `than` by more than `by`.

    Accuracies and shares are compared in points of 100, latencies in milliseconds; `by` may be negative.
    """

    higher: str
    than: str
    by: float = 0.0
    figure: Figure = "window"


class Study(Model):
    """A study; `id` is the file's stem.

    claim: the sentence that is tested; shows: the figures in its table; on_board: whether every variant is built and
    profiled on a board as well; variants and expectations by their names.
    """

    id: str
    title: str
    claim: str
    shows: tuple[Figure, ...] = ("window", "group", "recording")
    on_board: bool = False
    variants: dict[str, Variant] = Field(min_length=2)
    expect: dict[str, Expectation] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_and_settings_exist(self) -> Self:
        for name, variant in self.variants.items():
            try:
                variant.recipe(Recipe(id="any", dataset=DatasetSettings(name="folder")), 0)
            except ValueError as error:
                raise ValueError(f'the variant "{name}" is no recipe: {error}') from None
        for name, expectation in self.expect.items():
            for wanted in (expectation.higher, expectation.than):
                if wanted not in self.variants:
                    known = ", ".join(f'"{variant}"' for variant in self.variants)
                    raise ValueError(f'the expectation "{name}" names the variant "{wanted}"; there are {known}')
        shown = {*self.shows, *(expectation.figure for expectation in self.expect.values())}
        if "latency_ms" in shown and not self.on_board:
            raise ValueError("latency_ms is measured on a board only; set on_board = true")
        return self

    def recipes(self, base: Recipe, seeds: int) -> dict[tuple[str, int], Recipe]:
        """The recipe of every variant and seed, seed by seed. Raises ProfileError for a base that a variant does not
        fit."""
        found = {}
        for seed in range(seeds):
            for name, variant in self.variants.items():
                try:
                    found[name, seed] = variant.recipe(base, seed)
                except ValueError as error:
                    raise ProfileError(
                        f'The variant "{name}" of study {self.id} does not fit recipe {base.id}: {error}',
                        where=f"recipe {base.id}",
                        remedy="Choose another recipe or change it with --set",
                    ) from None
        return found


def load_study(name_or_path: str | Path) -> Study:
    """A bundled study by name, or any by path.

    Raises ProfileError naming the file, the line and the nearest valid key.
    """
    return load_profile(Study, "study", "studies", name_or_path)


def list_studies() -> list[Study]:
    """The bundled studies by name."""
    return [load_study(path) for path in sorted(resource("profiles", "studies").glob("*.toml"))]


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *tables, name = key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ValueError(f'there is no setting "{key}"')
    values[name] = value


def _number(recipe: Recipe, key: str) -> float:
    value: Any = recipe.model_dump(mode="json")
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f'"{key}" is no setting with a number')
    return value
