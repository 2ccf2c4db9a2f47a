"""How numbers are written everywhere in the workbench: three significant digits, units, thousands apart."""

from __future__ import annotations


def count(value: int) -> str:
    """12345 -> "12,345"."""
    return f"{value:,}"


def significant(value: float) -> str:
    """Three significant digits without an exponent: 0.1234 -> "0.123", 12.34 -> "12.3", 1234.5 -> "1,234"."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1 or size == 0:
        return f"{value:.2f}"
    return f"{value:#.3g}" if size >= 0.001 else f"{value:.1e}"


def scaled(value: float, unit: str = "") -> str:
    """A magnitude with a decimal prefix: 1234567 -> "1.23 M", with `unit` appended: "1.23 Mev/s"."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor * 0.9995:
            return f"{significant(value / factor)} {prefix}{unit}".rstrip()
    number = f"{value:.0f}" if float(value).is_integer() else significant(value)
    return f"{number} {unit}".rstrip()


def size(value: int) -> str:
    """Bytes: 217088 -> "212 KiB"."""
    for factor, prefix in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= factor:
            return f"{significant(value / factor)} {prefix}"
    return f"{value} B"


def duration(microseconds: float) -> str:
    """A time: 50000 -> "50.0 ms", 12_400_000 -> "12.4 s", 3_723_000_000 -> "1 h 2 min"."""
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    if microseconds < 999_500:
        return f"{significant(microseconds / 1000)} ms"
    seconds = microseconds / 1_000_000
    if seconds < 60:
        return f"{significant(seconds)} s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {int(seconds) % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"


def percent(fraction: float) -> str:
    """0.1234 -> "12.3 %"."""
    return f"{fraction * 100:.1f} %"


def share(fraction: float) -> str:
    """A part of a whole where nothing and next to nothing differ: 0 -> "0", 0.0001 -> "<0.1 %", 0.123 -> "12.3 %"."""
    return "0" if fraction == 0 else percent(fraction) if fraction >= 0.0005 else "<0.1 %"


def decibels(value: float | None) -> str:
    """A ratio in dB; None, where nothing is lost, is infinite: 34.12 -> "34.1 dB"."""
    return "∞" if value is None else f"{value:.1f} dB"


def elapsed(seconds: float) -> str:
    """How long something took, short enough for a table: 3.21 -> "3.2 s", 75 -> "1:15", 3723 -> "1:02:03"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
