"""What a profile run says about skipping: each layer's share of sites that were left out, and why it skips or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evbench.graph.model import IntegerGraph


def describe_skipping(graph: IntegerGraph, window: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """For each layer on `window`, [C, H, W]: `skipped`, the share of its sites that are not computed, None where the
    layer never skips, and `choice`, a sentence that says why.
    """
    from evbench.compile.sparse import WORTH_SITES, choose
    from evbench.graph.background import activity
    from evbench.graph.model import Conv2d

    described = []
    active = activity(graph, window[None])
    for operator, choice in zip(graph.operators, choose(graph).choices, strict=True):
        skipped = float(1 - active[operator.output].mean()) if choice.skips else None
        if skipped is not None and isinstance(operator, Conv2d) and skipped < 1 - WORTH_SITES:
            skipped = 0.0  # kernels of convolutions compute all where nearly all is active
        described.append({"skipped": skipped, "choice": choice.reason})
    return described
