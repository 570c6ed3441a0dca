"""Curves for documents that cannot hold a page: one SVG file per metric and loss."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ganbench import Report, RunRecord, Summary
from ganbench_zoo.reports import wording
from ganbench_zoo.reports.page import chart, data, tables

STRONGEST = 5  # levels in one chart, beside the baseline: those that moved the primary metric most


@dataclass(frozen=True, kw_only=True)
class Series:
    """Something that was measured along the way, over something that passed."""

    file: str  # without suffix
    name: str
    title: str
    axis: str
    axis_title: str
    lines: list[chart.Line]


@dataclass(frozen=True, kw_only=True)
class Curves(Report):
    """curves/*.svg: every metric and loss over steps, the primary metric also over images and seconds."""

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        made = []
        for one in drawn(summary):
            path = folder / "curves" / f"{one.file}.svg"
            path.parent.mkdir(exist_ok=True)
            path.write_text(chart.svg(one.lines, one.axis_title, one.title) + "\n", encoding="utf-8")
            made.append(path)
        return made


def drawn(summary: Summary) -> Iterator[Series]:
    """All charts of a summary, with their lines."""
    runs, levels = summary.records.runs, tables.levels(summary)
    chosen = strongest(summary)
    mine = {level: [run for run in runs if run.level == level] for level in chosen}
    keys = {key.name: key for key in summary.keys}
    files: set[str] = set()
    for name in names(runs):
        for axis in ("step", "images_seen", "seconds") if name == summary.suite.primary_metric else ("step",):
            ratio = name in keys and keys[name].scale == "ratio"
            found = [
                chart.line(wording.name_of(level), levels.index(level), mine[level], name, axis, ratio)
                for level in chosen
            ]
            if lines := [line for line in found if line is not None]:
                title = keys[name].title or name if name in keys else name
                file = _file(name if axis == "step" else f"{name} over {axis}", files)
                yield Series(file=file, name=name, title=title, axis=axis, axis_title=data.AXES[axis], lines=lines)


def strongest(summary: Summary) -> list[wording.Level]:
    """The baseline, and the levels that moved the primary metric most, in the order of the suite."""
    effects = [effect for effect in summary.effects if effect.metric == summary.suite.primary_metric]
    ranked = sorted(effects, key=lambda effect: -abs(effect.change_percent or 0))
    chosen = {(effect.axis, effect.level) for effect in ranked[:STRONGEST]}
    return [wording.BASELINE, *((e.axis, e.level) for e in effects if (e.axis, e.level) in chosen)]


def names(runs: Iterable[RunRecord]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for curve in (run.scores, run.losses) for name in curve.values))


def _file(text: str, taken: set[str]) -> str:
    """A file name that any system takes, and no other curve has."""
    slug = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "curve"
    name = next(name for name in (slug, *(f"{slug}-{n}" for n in range(2, 10_000))) if name not in taken)
    taken.add(name)
    return name
