"""The report to look at: one page, which works from disk and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ganbench import Effect, MetricKey, Report, Summary, __version__
from ganbench_zoo.reports import wording
from ganbench_zoo.reports.curves import strongest
from ganbench_zoo.reports.page import chart, data, figures, pictures, tables
from ganbench_zoo.reports.wording import Level


@dataclass(frozen=True, kw_only=True)
class HTML(Report):
    """index.html: verdicts, curves, samples, confusions, costs and failures on one page without network."""

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        path = folder / "index.html"
        path.write_text(page(summary), encoding="utf-8")
        return [path]


def page(summary: Summary) -> str:
    """The whole document. Every text of the suite, its plugins and its logs is escaped by the template."""
    style, script = _part("page.css"), _part("page.js")
    drawn = pictures.galleries(summary.records)
    levels = tables.levels(summary)
    document = data.document(levels, strongest(summary), summary.keys, summary.records.runs, drawn)
    return _environment().get_template("page.html.jinja").render(
        summary=summary,
        suite=summary.suite,
        key=wording.primary(summary),
        policy=f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        document=Markup(data.script_safe(document)),
        version=__version__,
        forest=forest(summary),
        others=tables.others(summary),
        first_chart=first_chart(summary, levels),
        figures=gallery_figures(summary, drawn),
        moments=sorted({frame.progress for one in drawn for frame in one.frames}),
        seeds=sorted({one.seed for one in drawn}),
        real=pictures.real_grid(summary.records) if drawn else None,
        neighbours=pictures.neighbours(summary.records),
        confusions=tables.confusions(summary),
        warnings=tables.warnings(summary),
        costs=tables.costs(summary),
        failures=tables.failures(summary),
        runs=tables.runs(summary),
        bounds=tables.bounds(summary),
        samplers=tables.samplers(summary),
        protocol=tables.flat(summary.protocol),
        published=summary.records.published,
    )  # fmt: skip


# --- verdicts --------------------------------------------------------------------------------------
def forest(summary: Summary) -> dict[str, Any]:
    """The effects on the primary metric, with the places at which they are drawn."""
    key, margin = wording.primary(summary), summary.suite.margin
    effects = [effect for effect in summary.effects if effect.metric == key.name]
    scale = figures.scale_for(effects, key, margin)
    return {
        "width": figures.WIDTH,
        "height": figures.HEIGHT,
        "zero": scale(0),
        "margin": (scale(-100 * margin), scale(100 * margin)),
        "ticks": figures.ticks(scale, key),
        "rows": [row(effect, key, scale) for effect in effects],
        "verdicts": [v for v in wording.SIGNS if any(effect.verdict == v for effect in effects)],
        "baseline": summary.baseline(key.name),
        "better": "left" if key.direction == "lower" else "right",
    }


def row(effect: Effect, key: MetricKey, scale: figures.Scale) -> dict[str, Any]:
    drawn = None
    if effect.change_percent is not None:
        ends = (effect.ci_low, effect.ci_high)
        drawn = {
            "x": scale(effect.change_percent),
            "ends": None if None in ends else tuple(scale(end) for end in ends if end is not None),
            "cut": tuple(end is not None and scale.cut(end) for end in ends),
        }
    return {
        "effect": effect,
        "name": wording.name_of((effect.axis, effect.level)),
        "drawn": drawn,
        "change": "" if effect.change_percent is None else wording.change(effect.change_percent, key),
        "interval": wording.interval(effect, key),
        "started": effect.n + effect.failures,
        "note": wording.note(effect),
    }


# --- curves and pictures ---------------------------------------------------------------------------
def first_chart(summary: Summary, levels: Sequence[Level]) -> Markup | None:
    """What the page shows before, or without, its script: the primary metric over steps."""
    key = wording.primary(summary)
    lines = chart_lines(summary, strongest(summary), levels, key.name, "step", key.scale == "ratio")
    if not lines:
        return None
    return Markup(chart.svg(lines, data.AXES["step"], key.title or key.name))


def chart_lines(
    summary: Summary, shown: Iterable[Level], levels: Sequence[Level], series: str, axis: str, ratio: bool
) -> list[chart.Line]:
    found = []
    for level in shown:
        runs = [run for run in summary.records.runs if run.level == level]
        place = levels.index(level) if level in levels else 0
        line = chart.line(wording.name_of(level), place, runs, series, axis, ratio)
        if line is not None:
            found.append(line)
    return found


def gallery_figures(summary: Summary, drawn: Sequence[pictures.Gallery]) -> list[dict[str, Any]]:
    """One figure for each level, with the last frame of its first seed; the script changes seed and time."""
    key = wording.primary(summary)
    verdicts = {(e.axis, e.level): e.verdict for e in summary.effects if e.metric == key.name}
    levels = tables.levels(summary)
    found: dict[Level, dict[str, Any]] = {}
    for one in drawn:
        known = found.get(one.level)
        if known is None or len(one.frames) > len(known["gallery"].frames):
            found[one.level] = {"gallery": one, "name": wording.name_of(one.level), "verdict": verdicts.get(one.level)}
    return [found[level] | {"place": place} for place, level in enumerate(levels) if level in found]


# --- template --------------------------------------------------------------------------------------
@cache
def _environment() -> jinja2.Environment:
    """Escapes everything; control and bidirectional characters do not reach the page."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: wording.plain(value) if type(value) is str else value,
    )
    made.filters |= {"number": wording.number, "p_value": wording.p_value, "duration": wording.seconds}
    made.globals |= {"signs": wording.SIGNS, "name_of": wording.name_of}
    return made


def _part(name: str) -> str:
    return (resources.files("ganbench_zoo.reports.page") / name).read_text("utf-8")


def _digest(text: str) -> str:
    """What a content security policy calls an inline element by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
