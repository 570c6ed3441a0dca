"""Numbers, names and verdicts as people read them: shared by the formats that are looked at."""

from __future__ import annotations

import math
import unicodedata

from ganbench import Effect, MetricKey, Summary

# Beside the word, never instead of it: colour and sign only repeat what the word says.
SIGNS = {"helps": "▲", "hurts": "▼", "no difference": "=", "unstable": "!", "not enough seeds": "?"}
Level = tuple[str, str]  # axis and level; ("", "baseline")
BASELINE: Level = ("", "baseline")


def primary(summary: Summary) -> MetricKey:
    return next(key for key in summary.keys if key.name == summary.suite.primary_metric)


def name_of(level: Level) -> str:
    axis, name = level
    return f"{axis}: {name}" if axis else name


def plain(text: str) -> str:
    """Without control and bidirectional characters, which could show one thing and say another."""
    if text.isascii() and text.isprintable():
        return text
    kept = (" " if c in "\t\n\r" else c for c in text)
    return "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))


def number(value: float | None, digits: int = 4) -> str:
    """No more digits than mean something, and no exponent that one has to decode below ten million."""
    if value is None or not math.isfinite(value):
        return ""
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e" in text and 1 <= abs(value) < 1e7 else text


def change(value: float, key: MetricKey) -> str:
    """Per cent for ratios; the difference itself for differences."""
    return f"{value:+.1f} %" if key.scale == "ratio" else f"{value / 100:+.3g}"


def interval(effect: Effect, key: MetricKey) -> str:
    """The 95 % interval of the change; empty where there are too few seeds."""
    if effect.ci_low is None or effect.ci_high is None:
        return ""
    if key.scale == "ratio":
        return f"{effect.ci_low:+.1f} to {effect.ci_high:+.1f} %"
    return f"{effect.ci_low / 100:+.3g} to {effect.ci_high / 100:+.3g}"


def p_value(value: float | None) -> str:
    return "" if value is None else "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def bound(summary: Summary, name: str) -> tuple[str, float] | None:
    """`floor` or `ceiling`: what real images reach on a metric. That of another number of images says nothing here."""
    scored = summary.protocol.get("images")
    for word in ("floor", "floor_halves", "ceiling"):  # halves of the reference, where nothing is held out
        value, images = summary.notes.get(f"{name}_{word}"), summary.notes.get(f"{name}_{word}_images", scored)
        if isinstance(value, int | float) and scored in (None, images):
            return word.partition("_")[0], value
    return None


def note(effect: Effect) -> str:
    needed = f"{effect.seeds_needed} seeds would do" if effect.seeds_needed else ""
    return "; ".join(part for part in (effect.note, needed) if part)


def seconds(value: float) -> str:
    if value < 100:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if value < 6000 else f"{value / 3600:.3g} h"
