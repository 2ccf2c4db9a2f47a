"""What tables and lines for people say."""

from __future__ import annotations

from evbench.jobs.display import logits_line


def test_the_predicted_class_is_named_with_its_softmax_and_every_logit() -> None:
    assert logits_line({"logits": [0.0, 2.0]}, ["still", "wave"]) == "predicts wave (88 %): still 0.00, wave 2.00"


def test_logits_too_large_for_a_plain_exponential_still_have_a_softmax() -> None:
    assert logits_line({"logits": [5000.0, -5000.0]}, ["a", "b"]).startswith("predicts a (100 %)")
