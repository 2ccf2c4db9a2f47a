"""Imports torch the way a shared machine needs it; every file here that uses torch gets it from this module.

libgomp reads GOMP_SPINCOUNT once, while it is loaded. Without a zero its threads spin between parallel regions, and a
training step on busy cores takes several times as long.
"""

from __future__ import annotations

import os

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch

__all__ = ["torch"]
