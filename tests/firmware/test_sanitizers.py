"""Kernel and link tests once more under AddressSanitizer and UndefinedBehaviorSanitizer, and that these can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware import sanitized

HERE = Path(__file__).parent
CHECKED = (
    *("test_kernels", "test_sparse_kernels", "test_sparse_sites", "test_in_place", "test_events"),
    *("test_firmware_link", "test_server", "test_link_fuzz"),
)


@pytest.mark.slow
def test_kernels_and_link_touch_no_memory_of_others_and_do_nothing_undefined() -> None:
    files = [HERE / f"{name}.py" for name in CHECKED]
    done = sanitized.run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *files)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "[100%]" in done.stdout


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("bytes[8] = 1;", "heap-buffer-overflow"),
        ("bytes[0] = bytes[-1];", "heap-buffer-overflow"),
        ("static char room[4]; bytes[0] = room[4 + bytes[0]];", "out of bounds"),
        ("bytes[0] = (char)(1 << (32 + bytes[0]));", "shift exponent 32 is too large"),
        ("*(int *)(void *)(bytes + 1) = 1;", "misaligned address"),
    ],
)
def test_a_planted_mistake_stops_the_process(statement: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "planted.c").write_text(f"void planted(char *bytes);\nvoid planted(char *bytes) {{ {statement} }}\n")
    program = f"""
import ctypes, numpy
from pathlib import Path
from tests.firmware.sanitized import build_shared
library = build_shared([Path({str(tmp_path / "planted.c")!r})], "planted", Path({str(tmp_path)!r}))
bytes = numpy.zeros(8, numpy.uint8)
ctypes.CDLL(str(library)).planted(ctypes.c_void_p(bytes.ctypes.data))
print("not stopped")
"""
    done = sanitized.run("-c", program)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert "not stopped" not in done.stdout
