"""The virtual board's flash: what is programmed stays until it is erased, also when the board's process is killed.

As on the STM32H743 (RM0433 chapter 4) flash is erased in sectors, programmed in words of 32 bytes, and a word that is
not blank cannot be programmed again.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
from pathlib import Path
from types import TracebackType

from evbench.errors import BoardError

SECTOR_BYTES = 128 * 1024
WORD_BYTES = 32
ERASED = 0xFF


class FlashMemory:
    """One flash region at `origin`, `size` bytes; kept in `file`, or in memory only when there is none.

    Raises BoardError when the file belongs to another board that runs, or cannot be used.
    """

    def __init__(self, origin: int, size: int, file: Path | None = None) -> None:
        self.origin = origin
        self.size = size
        self._file = _open_state(file, size) if file else None
        if self._file:
            self.buffer = mmap.mmap(self._file.fileno(), size)
        else:
            self.buffer = mmap.mmap(-1, size)
            self.buffer[:] = bytes([ERASED]) * size

    @property
    def pointer(self) -> int:
        """The address of the contents in this process, page aligned."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self.buffer))

    def contains(self, address: int, length: int = 1) -> bool:
        return self.origin <= address and address + length <= self.origin + self.size

    def erase(self, address: int, length: int) -> int:
        """Erases every sector that [address, address + length) touches; returns their number."""
        first = (address - self.origin) // SECTOR_BYTES
        last = (address - self.origin + length - 1) // SECTOR_BYTES
        start, stop = first * SECTOR_BYTES, min((last + 1) * SECTOR_BYTES, self.size)
        self.buffer[start:stop] = bytes([ERASED]) * (stop - start)
        return last - first + 1

    def program(self, address: int, data: bytes) -> None:
        """Programs whole words at a word boundary. Raises ValueError where the flash is not blank or not aligned."""
        start = address - self.origin
        if start % WORD_BYTES or len(data) % WORD_BYTES:
            raise ValueError(f"flash is programmed in words of {WORD_BYTES} bytes, not {len(data)} at 0x{address:08x}")
        current = self.buffer[start : start + len(data)]
        if current != bytes([ERASED]) * len(data):
            raise ValueError(f"the flash at 0x{address:08x} is not blank")
        self.buffer[start : start + len(data)] = data

    def load(self, address: int, data: bytes) -> None:
        """Puts bytes anywhere, whatever was there: what erasing, writing and verifying come to."""
        start = address - self.origin
        self.buffer[start : start + len(data)] = data

    def read(self, address: int, length: int) -> bytes:
        start = address - self.origin
        return bytes(self.buffer[start : start + length])

    def close(self) -> None:
        """Writes the contents back; the memory itself lives as long as a machine uses it."""
        if self._file:
            self.buffer.flush()
            fcntl.flock(self._file, fcntl.LOCK_UN)  # the mapping keeps the file open, and a lock lives as long as that
            self._file.close()

    def __enter__(self) -> FlashMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open_state(path: Path, size: int):  # type: ignore[no-untyped-def]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("r+b" if path.exists() else "w+b")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        length = path.stat().st_size
        if length < size:
            file.seek(length)
            file.write(bytes([ERASED]) * (size - length))
            file.flush()
    except BlockingIOError:
        raise BoardError(
            "This virtual board is running already",
            where=f"Its flash {path} is in use",
            remedy="Wait for the other run to end, or use another state folder",
        ) from None
    except OSError as error:
        raise BoardError(
            "The virtual board's flash cannot be kept",
            where=f"{path}: {error.strerror or error}",
            remedy="Choose a folder that can be written and has room",
        ) from error
    return file
