"""Studies: their files, the stages they plan, and one run to the end."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from evbench import cli
from evbench.errors import JobError, ProfileError
from evbench.jobs.pipeline import plan as plan_run
from evbench.jobs.stage import Stage
from evbench.jobs.store import JobRow, Store
from evbench.jobs.studies.definition import Study, list_studies, load_study
from evbench.jobs.studies.job import plan, result_of, run_job, study_results, submit_study
from evbench.jobs.studies.tables import figure_text, study_table
from evbench.profiles import Recipe, load_board, load_recipe
from evbench.resources import resource
from evbench.workspace import Workspace, open_workspace

RECIPE = """
[dataset]
name = "folder"
[representation]
bins = 2
window = "100 ms"
size = [32, 32]
[network]
name = "voxel-dsc"
frames = "voxel-dsc"
[train]
epochs = 2
frames_epochs = 1
batch_size = 8
"""

STUDY = """
title = "Two observers"
claim = "Squared errors choose better ranges than minima and maxima."
shows = ["window", "zero_share"]
[variants."minmax"]
approach = "ptq-int8"
settings = { "quantize.observer" = "minmax" }
[variants."mse"]
approach = "ptq-int8"
settings = { "quantize.observer" = "mse" }
[expect."mse is better"]
higher = "mse"
than = "minmax"
"""

BOARD = load_board("virtual-h743")


@pytest.fixture
def base() -> Recipe:
    return load_recipe("objects-voxel-qat")


def digests(stages: list[Stage]) -> dict[str, str]:
    """The hash of every stage's output by the stage's key."""
    found: dict[str, str] = {}
    for stage in stages:
        found[stage.key] = stage.digest(found)
    return found


def stages_of(name: str, base: Recipe, seeds: int = 2) -> list[Stage]:
    return plan(load_study(name), base, {}, BOARD, None, seeds)


@pytest.mark.parametrize("study", list_studies(), ids=lambda study: study.id)
@pytest.mark.parametrize("recipe", ["nmnist-voxel-qat", "objects-voxel-qat", "gesture-voxel-qat"])
def test_every_bundled_study_fits_every_recipe_it_is_meant_for(study: Study, recipe: str) -> None:
    recipes = study.recipes(load_recipe(recipe), 3)
    assert {variant for variant, _ in recipes} == set(study.variants)
    assert {found.train.seed for found in recipes.values()} == {0, 1, 2}


def test_a_share_is_taken_of_the_recipes_own_setting(base: Recipe) -> None:
    late = load_study("late-qat").variants["late"].recipe(base, 0)
    assert late.quantize.from_epoch == round(0.67 * base.train.epochs)


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ('"quantize.observer" = "mse"', '"quantize.observr" = "mse"', "quantize.observr"),
        ('"quantize.observer" = "mse"', '"quantize.observer" = "best"', "quantize.observer"),
        ('higher = "mse"', 'higher = "kl"', '"kl"'),
        ('approach = "ptq-int8"', 'approach = "ptq"', "approach"),
        ('"zero_share"', '"latency_ms"', "on_board"),
        ('settings = { "quantize.observer" = "mse" }', 'shares = { "train.epochs" = "half" }', "a share and a setting"),
        ('settings = { "quantize.observer" = "mse" }', 'shares = { "train.epochs" = "2 train.speed" }', "train.speed"),
    ],
)
def test_a_wrong_study_is_refused_with_what_is_wrong(wrong: str, right: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(STUDY.replace(wrong, right))
    with pytest.raises(ProfileError, match=said):
        load_study(path)


def test_a_wrong_key_of_a_variant_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(STUDY.replace('[variants."mse"]\n', '[variants."0.5 mse"]\nsetting = 1\n'))
    with pytest.raises(ProfileError, match="line 9") as caught:
        load_study(path)
    assert "settings" in caught.value.remedy


def test_a_recipe_that_a_variant_does_not_fit_is_refused(base: Recipe) -> None:
    wide = base.model_copy(update={"representation": base.representation.model_copy(update={"window": 0})})
    with pytest.raises(ProfileError, match="does not fit recipe"):
        load_study("representation").recipes(wide, 1)


def test_variants_share_the_float_network_they_start_from(base: Recipe) -> None:
    stages = stages_of("observers", base)
    trained = [stage for stage in stages if stage.name == "train"]
    assert len(trained) == 2  # one for each seed
    assert len([stage for stage in stages if stage.name == "quantise"]) == 14


def test_studies_and_runs_share_what_they_train(base: Recipe) -> None:
    run = digests(plan_run(base, BOARD, None))
    approaches, observers = digests(stages_of("approaches", base)), digests(stages_of("observers", base))
    late, granularity = digests(stages_of("late-qat", base)), digests(stages_of("granularity", base))
    assert approaches["train fp32 voxel, seed 0"] == run["train fp32-voxel"] == observers["train fp32, seed 0"]
    assert approaches["quantise PTQ int8, seed 0"] == run["quantise ptq-int8"]
    assert approaches["profile QAT int8, seed 0"] == run["profile qat-int8"]
    assert late["train from epoch zero, seed 0"] == run["train qat-int8"]
    assert granularity["train QAT, per channel, seed 0"] == run["train qat-int8"]
    assert approaches["train fp32 voxel, seed 1"] != run["train fp32-voxel"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of the bundled bars, a recipe and a study that are quick to run."""
    root = tmp_path_factory.mktemp("study")
    for split in ("train", "test"):
        shutil.copytree(
            resource("assets", "recordings"), root / "data" / split, ignore=shutil.ignore_patterns("gesture-*")
        )
    (root / "tiny.toml").write_text(RECIPE)
    (root / "two-observers.toml").write_text(STUDY)
    return root


def submitted(workspace: Workspace, folder: Path, seeds: int) -> int:
    return submit_study(workspace, folder / "two-observers.toml", folder / "tiny.toml", folder / "data", seeds=seeds)


def finish(workspace: Workspace, job_id: int) -> JobRow:
    """Run a study in this process."""
    store = Store(workspace)
    result = run_job(workspace, store, store.job(job_id))
    store.change_job(job_id, state="done", result=result)
    return store.job(job_id)


@pytest.fixture(scope="module")
def finished(folder: Path) -> JobRow:
    """A study of one seed, and then of two."""
    workspace = open_workspace(folder / "workspace")
    finish(workspace, submitted(workspace, folder, 1))
    return finish(workspace, submitted(workspace, folder, 2))


def test_a_study_trains_nothing_that_another_one_trained_before(folder: Path, finished: JobRow) -> None:
    stages = Store(open_workspace(folder / "workspace")).stages(finished.id)
    states = {f"{stage.name} {stage.approach}".strip(): stage.state for stage in stages}
    assert {state for key, state in states.items() if key.endswith("seed 0")} == {"reused"}
    assert {state for key, state in states.items() if key.endswith("seed 1")} == {"done"}
    assert states["dataset"] == "reused"


def test_the_result_has_every_variant_with_a_figure_for_every_seed(finished: JobRow) -> None:
    result = result_of(finished)
    assert [row["variant"] for row in result["rows"]] == ["minmax", "mse"]
    for row in result["rows"]:
        assert len(row["window"]["values"]) == len(row["zero_share"]["values"]) == 2
        assert 0 < row["zero_share"]["mean"] < 1
        assert row["latency_ms"] is None
    assert result["verdict"].startswith("The claim")
    assert result["windows"] > 0


def test_the_newest_result_of_a_study_stands_for_it(folder: Path, finished: JobRow) -> None:
    (result,) = study_results(Store(open_workspace(folder / "workspace")))
    assert result["job"] == finished.id


def test_the_command_prints_the_same_result_from_what_is_kept(
    folder: Path, finished: JobRow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["study", str(folder / "two-observers.toml"), "--recipe", str(folder / "tiny.toml"), "--seeds", "2"]
    words += ["--data", str(folder / "data"), "--json"]
    monkeypatch.setattr("sys.argv", ["evbench", "--workspace", str(folder / "workspace"), *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == result_of(finished)["rows"]


def test_only_a_finished_study_has_a_result(folder: Path) -> None:
    workspace = open_workspace(folder / "other")
    waiting = Store(workspace).job(submitted(workspace, folder, 1))
    with pytest.raises(JobError, match="queued"):
        result_of(waiting)


def test_a_study_is_shown_with_its_figures_its_claim_and_its_verdict(finished: JobRow) -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(study_table(result_of(finished)))
    shown = " ".join(console.export_text().split())
    result = result_of(finished)
    assert f"claim: {result['claim']}" in shown
    assert result["verdict"] in shown
    assert figure_text("window", result["rows"][1]["window"]) in shown
