"""What has been published of the four approaches, to stand beside what is measured here; never mixed with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

CLAIMED_ON = "DVS128 Gesture"
"""The data on which the claims were made."""

CLAIMED_DATASETS = ("dvs128-gesture", "tonic:DVSGesture")
"""The names under which a recipe reads that data."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One published row: bytes of the model, accuracy from 0 to 1, milliseconds of latency."""

    approach: str
    model_bytes: int
    accuracy: float
    latency_ms: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


CLAIMS: tuple[Claim, ...] = (
    Claim("fp32-frames", 4_200_000, 0.941, 68.0),
    Claim("fp32-voxel", 3_100_000, 0.946, 51.0),
    Claim("ptq-int8", 820_000, 0.892, 19.0),
    Claim("qat-int8", 780_000, 0.934, 15.0),
)
