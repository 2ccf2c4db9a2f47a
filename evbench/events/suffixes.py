"""Which files of a folder are taken for recordings; a file that is named is opened whatever it is called."""

from __future__ import annotations

SUFFIXES = frozenset(
    {
        *(".aedat", ".aedat4", ".dat", ".raw", ".es", ".h5", ".hdf5", ".npz", ".npy", ".csv", ".bin", ".bs2"),
        *(".bag", ".db3", ".mcap"),
    }
)
