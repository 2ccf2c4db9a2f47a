"""Takes the model that travels with evbench from a finished job, with what the board measured on its card.

`evbench --workspace DIR run gesture-voxel-qat`, then `python -m evbench.jobs.bundled DIR JOB assets/model`.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from evbench.errors import JobError
from evbench.graph.card import CARD
from evbench.jobs.models import model_of_job
from evbench.jobs.store import Store
from evbench.workspace import Workspace, open_workspace

APPROACH = "qat-int8"


def bundle(workspace: Workspace, job_id: int, directory: Path) -> dict[str, Any]:
    """Replace `directory` by the job's model trained with quantisation; returns its card.

    Raises JobError for a job that has exported none, or whose card has no figures of a board yet.
    """
    source = model_of_job(Store(workspace), job_id, APPROACH)
    card: dict[str, Any] = json.loads((source / CARD).read_text(encoding="utf-8"))
    if "board" not in card:
        raise JobError(f"Job {job_id} has no report yet, so no board is on the card", remedy="Let it run to its end")
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(source, directory)
    return card


if __name__ == "__main__":
    bundled = bundle(open_workspace(Path(sys.argv[1])), int(sys.argv[2]), Path(sys.argv[3]))
    window = bundled["metrics"]["accuracy"]["window"]
    print(f"{bundled['metrics']['model_bytes']} bytes of weights, {100 * window['value']:.1f} % of test windows right")
