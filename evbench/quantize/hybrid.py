"""A trained program with other precisions for some of its layers: the same weights, the same ranges."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch.fx import GraphModule

from evbench.profiles import Precision, QuantizeSettings
from evbench.quantize.observers import RangeObserver
from evbench.quantize.precision import without_precision
from evbench.quantize.program import PreparedProgram, prepare_captured
from evbench.quantize.pt2e import quiet
from evbench.quantize.watch import observers_of


def settings_of(program: PreparedProgram) -> QuantizeSettings:
    """What a program was prepared with, as far as the program keeps it."""
    known = {name: value for name, value in program.settings.items() if name in QuantizeSettings.model_fields}
    return QuantizeSettings(**known)


def with_precisions(base: PreparedProgram, captured: GraphModule, layers: Mapping[str, Precision]) -> PreparedProgram:
    """`base` with the precisions `layers` in place of its own; nothing is trained anew.

    `captured` is the network of `base` as `capture_for` made it; it stays as it is. A tensor keeps its range, whatever
    its grid. Raises ModelError for precisions that have no kernel.
    """
    settings = settings_of(base).model_copy(update={"layers": dict(layers)})
    with quiet():
        copied = copy.deepcopy(captured)
    made = prepare_captured(copied, base.settings["example_shape"], settings)
    state = made.state_dict()
    observed = {name for name, module in made.named_modules() if isinstance(module, RangeObserver)}
    for name, value in base.state_dict().items():
        if name in state and name.rpartition(".")[0] not in observed:
            state[name] = value
    made.load_state_dict(state)
    ranges = observers_of(base)
    for name, observer in observers_of(made).items():
        known = ranges[name if name in ranges else without_precision(name)]
        if isinstance(observer, RangeObserver) and isinstance(known, RangeObserver):
            observer.adopt(known)
    return made.fake_quantize(True).eval()
