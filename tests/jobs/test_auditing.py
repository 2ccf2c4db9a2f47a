"""An audit of a recipe sees the precisions that the recipe gives to layers."""

from __future__ import annotations

from pathlib import Path

from evbench.jobs.auditing import audit_targets


def test_a_recipe_with_precisions_is_audited_as_the_hybrid_network_it_makes(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        '[dataset]\nname = "simulated-bars"\n[representation]\nsize = [16, 16]\n'
        '[quantize.layers]\n"blocks.0.pointwise" = "int16"\nhead = "fp16"\n'
    )
    report = audit_targets(str(recipe), ["evbench"])
    layers = {layer["name"]: layer for layer in report["targets"][0]["layers"]}
    assert report["passed"]
    assert layers["blocks.0.pointwise.0"]["output"] == "s16"
    assert layers["blocks.1.depthwise.0"]["inputs"] == ["s16"]
    assert (layers["head.linear"]["inputs"], layers["head.linear"]["weights"]) == (["f32"], "float")
