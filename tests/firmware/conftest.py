"""The kernels and the runtime as shared libraries for this workstation."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from evbench.compile import host, native
from evbench.compile.host import HostModel
from evbench.resources import resource
from tests.firmware import sanitized
from tests.graph.networks import random_graph

build_shared = native.build_shared
if sanitized.VARIABLE in os.environ:  # a process that test_sanitizers.py started
    build_shared = host.build_shared = sanitized.build_shared

# Functions that tests can call, and undefined behaviour that stops the process instead of passing unseen.
CHECKED = ("-fvisibility=default", "-fsanitize=undefined", "-fsanitize-trap=all")


@pytest.fixture(scope="session")
def native_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this run of the tests keeps compiled libraries."""
    return tmp_path_factory.getbasetemp() / "native"


@pytest.fixture(scope="session")
def kernels(native_cache: Path) -> ctypes.CDLL:
    """Every kernel, by its name in ev_kernels.h."""
    folder = resource("firmware", "kernels")
    sources = [*sorted(folder.glob("*.c")), resource("firmware", "runtime", "ev_memory.c")]
    return ctypes.CDLL(str(build_shared(sources, "kernels", native_cache, flags=CHECKED)))


@pytest.fixture(scope="session")
def runtime(native_cache: Path) -> ctypes.CDLL:
    """Framing and filter functions, by their names."""
    folder = resource("firmware", "runtime")
    sources = [folder / f"{name}.c" for name in ("ev_link", "ev_background_activity", "ev_memory")]
    return ctypes.CDLL(str(build_shared(sources, "runtime", native_cache, flags=CHECKED)))


@pytest.fixture(scope="session")
def host_model(native_cache: Path) -> HostModel:
    """A small network and the board's server around it."""
    return HostModel(random_graph(3, size=(24, 20), bins=2, width=4, classes=5), native_cache)
