"""The torch program of a model folder."""

from __future__ import annotations

import json
from pathlib import Path

from torch import nn

from evbench.errors import ModelError
from evbench.graph.card import CARD
from evbench.networks.registry import create
from evbench.quantize.program import PreparedProgram, load_prepared

PROGRAM = "torch.safetensors"
"""The file of a model folder that holds the program; float models have none."""


def load_program(folder: Path) -> PreparedProgram:
    """The prepared program that a model was converted from, in evaluation mode.

    Raises ModelError for a model without card or program, and when the program belongs to another network.
    """
    return load_prepared(network_of(folder), folder / PROGRAM)


def network_of(folder: Path) -> nn.Module:
    """The network that a model's program was prepared from, with weights of its own.

    Raises ModelError for a model without card or program.
    """
    if not (folder / PROGRAM).is_file():
        raise ModelError(
            "The model holds no program with observers: it is a float model or comes from elsewhere",
            where=f"{folder} has no {PROGRAM}",
            remedy="Name the folder of a PTQ or QAT model that evbench exported",
        )
    try:
        card = json.loads((folder / CARD).read_text())
        height, width = card["size"]
        return create(card["network"], 2 * int(card["bins"]), len(card["classes"]), (height, width))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"The card cannot be read: {error}", where=str(folder / CARD), remedy="Export it again"
        ) from None
