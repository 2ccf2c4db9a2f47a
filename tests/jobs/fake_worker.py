"""The real worker around a pipeline of two small stages; a job's settings say where it stops or fails.

epochs: how many; pause_at: at this epoch, open the named pipe `pipe` and wait for a signal; fail_at: raise there.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

from evbench.errors import ModelError
from evbench.jobs import worker
from evbench.jobs.runner import run_stages
from evbench.jobs.stage import Context, Stage
from evbench.jobs.store import JobRow, Store
from evbench.workspace import Workspace


def perform(workspace: Workspace, store: Store, job: JobRow) -> dict[str, Any]:
    settings = job.settings
    pause_at = settings.get("pause_at") if not (workspace.root / "paused").exists() else None

    def data(context: Context) -> str:
        context.write("data.json", {"rows": 3})
        return "3 rows"

    def train(context: Context) -> str:
        checkpoint = context.work / "checkpoint"
        done = int(checkpoint.read_text()) if checkpoint.exists() else 0
        print(f"begins after epoch {done}", flush=True)
        for epoch in range(done + 1, settings["epochs"] + 1):
            context.metric("loss", epoch, 1 / epoch)
            context.progress(epoch / settings["epochs"], f"epoch {epoch}")
            checkpoint.write_text(str(epoch))
            if epoch == settings.get("fail_at"):
                raise ModelError("The network cannot be trained", where=f"epoch {epoch}", remedy="Try another")
            if epoch == settings.get("crash_at"):
                raise ZeroDivisionError("division by zero")
            if epoch == settings.get("fill_at"):
                with (context.out / "large").open("wb") as file:
                    while True:
                        file.write(b"\0" * 65536)
            if epoch == pause_at:
                (workspace.root / "paused").touch()
                with Path(settings["pipe"]).open("w") as pipe:
                    pipe.write("paused")
                signal.pause()
        context.write("model.json", {"rows": context.read("data", "data.json")["rows"], "epochs": settings["epochs"]})
        return f"{settings['epochs']} epochs"

    stages = [
        Stage("data", "", data),
        Stage("train", "small", train, settings={"epochs": settings["epochs"]}, inputs={"data": "data"}),
    ]
    outputs = run_stages(workspace, store, job.id, stages)
    return {"model": outputs["train small"].name}


if __name__ == "__main__":
    root, job_id = sys.argv[1:]
    sys.exit(worker.run(Workspace(Path(root)), int(job_id), perform))
