"""What a study concludes from its figures."""

from __future__ import annotations

from typing import Any

import pytest

from evbench.jobs.studies.definition import Expectation, Study, Variant
from evbench.jobs.studies.results import concluded, summarised, t_interval
from evbench.jobs.studies.tables import figure_text


def study(**expectation: Any) -> Study:
    variants = {"a": Variant(approach="qat-int8"), "b": Variant(approach="ptq-int8")}
    expect = {"a is better": Expectation(higher="a", than="b", **expectation)}
    on_board = expectation.get("figure") == "latency_ms"
    return Study(id="s", title="S", claim="A is better.", variants=variants, expect=expect, on_board=on_board)


def windows(*shares: float) -> list[dict[str, float | None]]:
    return [{"window": share} for share in shares]


def test_the_interval_of_three_values_is_students() -> None:
    # mean 2, standard deviation 1, t(0.975; 2) = 4.303
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))


def test_one_value_has_no_interval() -> None:
    assert t_interval([0.9]) is None
    assert summarised([0.9]) == {"mean": 0.9, "ci95": None, "values": [0.9]}


def test_a_figure_that_one_seed_lacks_is_not_summarised() -> None:
    assert summarised([0.9, None, 0.8]) is None


@pytest.mark.parametrize(
    ("by", "outcome"),
    [(0.0, "held"), (2.0, "not decided"), (5.0, "did not hold")],
)
def test_a_claim_is_judged_by_the_interval_of_the_differences(by: float, outcome: str) -> None:
    measured = {"a": windows(0.92, 0.94, 0.93), "b": windows(0.90, 0.919, 0.909)}  # 2.0, 2.1, 2.1 points
    found = concluded(study(by=by), measured)
    assert found["outcome"] == outcome
    assert found["comparisons"][0]["mean"] == pytest.approx(2.0667, abs=1e-3)


def test_differences_are_taken_within_each_seed() -> None:
    measured = {"a": windows(0.5, 0.7, 0.9), "b": windows(0.49, 0.69, 0.89)}
    found = concluded(study(), measured)
    assert found["outcome"] == "held"  # though the seeds lie far apart
    assert found["rows"][0]["window"]["ci95"][0] < found["rows"][1]["window"]["mean"]


def test_one_seed_decides_nothing() -> None:
    assert concluded(study(), {"a": windows(0.9), "b": windows(0.5)})["outcome"] == "not decided"


def test_one_expectation_that_fails_refutes_the_claim() -> None:
    both = study().model_copy(
        update={
            "expect": {
                "better": Expectation(higher="a", than="b"),
                "worse": Expectation(higher="b", than="a"),
            }
        }
    )
    found = concluded(both, {"a": windows(0.9, 0.91), "b": windows(0.5, 0.51)})
    assert [comparison["outcome"] for comparison in found["comparisons"]] == ["held", "did not hold"]
    assert found["outcome"] == "did not hold"


def test_the_verdict_is_a_sentence_with_the_figures() -> None:
    found = concluded(study(by=-2), {"a": windows(0.90, 0.91, 0.92), "b": windows(0.91, 0.92, 0.93)})
    assert found["verdict"] == (
        "The claim held here: a exceeds b by -1.0 points per window (-1.0 to -1.0), claimed more than -2: yes."
    )


def test_latencies_are_compared_in_milliseconds() -> None:
    measured: dict[str, list[dict[str, float | None]]] = {
        "a": [{"latency_ms": 5.0}, {"latency_ms": 5.2}],
        "b": [{"latency_ms": 4.0}, {"latency_ms": 4.2}],
    }
    found = concluded(study(figure="latency_ms"), measured)
    assert "+1.0 ms of latency" in found["verdict"]


def test_what_was_not_measured_is_said() -> None:
    found = concluded(study(figure="recording"), {"a": windows(0.9, 0.9), "b": windows(0.5, 0.5)})
    assert found["outcome"] == "not decided"
    assert "was not measured" in found["verdict"]


def test_an_interval_of_a_share_is_shown_within_0_and_100_percent() -> None:
    assert figure_text("window", {"mean": 0.98, "ci95": [0.93, 1.03], "values": []}) == "98.0 % (93.0 to 100.0)"
    assert figure_text("latency_ms", {"mean": 4.2, "ci95": [4.1, 4.3], "values": []}) == "4.20 ms (4.10 to 4.30)"
    assert figure_text("recording", None) == "-"
