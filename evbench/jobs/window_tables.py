"""What windows cost a board, for people: voxelising, latency of a stream of windows, cycles against events."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_BAR_WIDTH = 24
_VOXELISING = ("given", "counted", "cycles")


def voxelising_lines(profile: dict[str, Any]) -> list[str]:
    """What the voxel grids of a profile run cost the board while their events arrived; nothing where it made none."""
    windows = [window for window in profile["windows"] if window.get("voxelising", {}).get("given")]
    if not windows:
        return []
    given, counted, cycles = (sum(window["voxelising"][key] for window in windows) for key in _VOXELISING)
    each = sorted(window["voxelising"]["cycles"] for window in windows)
    within = profile.get("board_filters_within_us") if all(window["sensor"] for window in windows) else None
    work = "counting" if within is None else f"filtering within {within / 1e3:g} ms and counting"
    kept = "" if within is None else f", {100 * counted / given:.0f} % of them kept"
    modelled = ", modelled" if profile["modelled"] else ""
    return [
        f"voxel grid, while events arrive: {cycles / given:.1f} cycles per event for {work}{kept}; "
        f"{each[len(each) // 2]:,} cycles per window at the median, {each[-1]:,} at most{modelled}",
        "latency is from the last event to logits",
    ]


def streaming_table(profile: dict[str, Any]) -> RenderableType:
    """What windows that follow each other cost, beside each computed anew."""
    found = profile["streaming"]
    modelled = ", modelled" if profile["modelled"] else ""
    table = _table(
        f"{found['windows']} windows of {found['window_us'] / 1e3:g} ms, {found['hop_us'] / 1e3:g} ms apart, on "
        f"{profile['board']}{modelled}"
    )
    table.add_column("")
    for heading in ("median", "95 %", "worst"):
        table.add_column(heading, justify="right")
    times = found["latency_ms"]
    table.add_row("last event to logits, ms", *(f"{times[key]:.2f}" for key in ("median", "p95", "worst")))
    reused, anew = (f"{found[f'{way}_cycles_per_window']:,.0f}" for way in ("reused", "anew"))
    if found["whole_bins"]:
        cost = (
            f"{reused} cycles per window with the bins that windows have in common kept, {anew} with each counted "
            f"anew: {round(100 * found['saved'])} % saved"
        )
    else:
        bins = f"{found['bin_us'] / 1e3:g} ms bins"
        cost = f"{anew} cycles per window, which have nothing in common: the hop is no whole number of {bins}"
    lines = [
        f"voxelising takes {cost}",
        "logits are the same both ways" if found["equal"] else "LOGITS DIFFER between the two",
        *voxelising_lines(profile),
    ]
    return Group(table, Text("\n".join(lines)))


def curve_table(profile: dict[str, Any]) -> RenderableType:
    """Cycles against events per window, from an empty window to the dense worst case."""
    modelled = ", modelled" if profile["modelled"] else ""
    table = _table(f"cycles per window on {profile['board']}{modelled}")
    table.add_column("window")
    for heading in ("events", "voxelising", "per event", "cycles", "ms"):
        table.add_column(heading, justify="right")
    table.add_column("")
    points = sorted(profile["curve"], key=lambda point: point["events"])
    most = points[-1]["cycles"] or 1
    for point in points:
        bar = Text("█" * max(1, round(_BAR_WIDTH * point["cycles"] / most)), "#FFB000")
        each = point["cycles_per_event"]
        voxelising = (f"{point['voxelising_cycles']:,}", f"{each:.1f}") if each is not None else ("", "")
        table.add_row(
            point["origin"], f"{point['events']:,}", *voxelising, f"{point['cycles']:,}", f"{point['ms']:.2f}", bar
        )
    notes = "Cycles and ms are from the last event to logits; voxelising goes on before, while events arrive."
    return Group(table, Text(notes, "dim"))


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
