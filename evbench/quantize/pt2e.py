"""The parts of torchao's pt2e flow the room uses, imported without torchao's warnings about GPU kernels."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Keep messages about torch's and torchao's own internals from a user; what matters is raised, not logged."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


with quiet():
    from torchao.quantization.pt2e.observer import ObserverBase
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, Quantizer

__all__ = [
    "ObserverBase",
    "QuantizationAnnotation",
    "QuantizationSpec",
    "Quantizer",
    "convert_pt2e",
    "prepare_qat_pt2e",
    "quiet",
]
