"""One .npz of arrays with plain values as JSON beside them: the form of everything stored about tensors."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.errors import ModelError

VERSION = 1
REMEDY = "Export the model again with evbench run"

Arrays = dict[str, NDArray[Any]]


def save_archive(path: Path, about: dict[str, Any], arrays: Arrays) -> None:
    """Write `about` and `arrays`; `path` appears whole or not at all."""
    content = io.BytesIO()
    text = np.array(json.dumps({"version": VERSION, **about}))
    np.savez_compressed(content, about=text, allow_pickle=False, **arrays)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(content.getvalue())
    os.replace(temporary, path)


def load_archive(path: Path) -> tuple[dict[str, Any], Arrays]:
    """What `save_archive` wrote. Raises ModelError when the file is missing, damaged or of another version."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
        version = about["version"]
    except FileNotFoundError:
        raise ModelError("The model has no statistics of its tensors", where=str(path), remedy=REMEDY) from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise damaged(path, error) from None
    if version != VERSION:
        raise ModelError(
            f"The statistics were written in format {version}, this evbench reads {VERSION}",
            where=str(path),
            remedy=REMEDY,
        )
    return about, arrays


def damaged(path: Path, error: Exception) -> ModelError:
    """The refusal of a file whose content is not what it should be."""
    return ModelError(f"The statistics cannot be read: {error}", where=str(path), remedy=REMEDY)
