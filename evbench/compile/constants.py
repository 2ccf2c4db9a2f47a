"""The constants of a compiled network, as its assembler file includes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FAST_BYTES = 16 * 1024
"""Most bytes of constants that are copied to fast memory at start-up, all layers together."""


@dataclass(slots=True)
class Constants:
    """The bytes of weights.bin, filled layer by layer; every array starts on a multiple of eight bytes.

    Those in front stay in flash. The last `fast_size` bytes are copied to fast memory at start-up: weights that a run
    reads once gain nothing from a data cache, each line of it waits for the flash.
    """

    parts: list[bytes] = field(default_factory=list)
    fast_parts: list[bytes] = field(default_factory=list)
    size: int = 0
    fast_size: int = 0

    def add(self, array: NDArray[Any], *, fast: bool = False) -> str:
        """Append an array in little-endian order, with `fast` to fast memory while there is room.

        Returns the C expression of its address.
        """
        content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        content += bytes(-len(content) % 8)
        if fast and self.fast_size + len(content) <= FAST_BYTES:
            self.fast_parts.append(content)
            self.fast_size += len(content)
            return f"EV_FAST_CONSTANTS({self.fast_size - len(content)})"
        self.parts.append(content)
        self.size += len(content)
        return f"EV_CONSTANTS({self.size - len(content)})"

    def content(self) -> bytes:
        return b"".join((*self.parts, *self.fast_parts))
