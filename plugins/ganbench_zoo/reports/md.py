"""The report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, geometric_mean

from ganbench import Effect, MetricKey, Report, Summary
from ganbench_zoo.reports import wording
from ganbench_zoo.reports.page import tables


@dataclass(frozen=True, kw_only=True)
class Markdown(Report):
    """table.md: the answer, the verdicts, other metrics, costs, images of other programs, how the numbers were made."""

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        path = folder / "table.md"
        path.write_text("\n".join(_document(summary)).rstrip() + "\n", encoding="utf-8")
        return [path]


def _document(summary: Summary) -> Iterable[str]:
    primary = wording.primary(summary)
    yield f"# {_text(summary.suite.folder)}"
    yield from ("", f"**{_text(summary.suite.question)}**", "", _text(summary.answer), "")
    if summary.warnings:
        yield from (*(f"> Warning: {_text(line)}  " for line in summary.warnings), "")
    yield from (f"## {_text(primary.title or primary.name)}", "", *_verdicts(summary, primary), "")
    if others := [key for key in summary.keys if key is not primary]:
        yield from ("## Other metrics", "")
        yield from ("Exploratory: their p values are not adjusted, and they decide nothing.", "")
        yield from (*_others(summary, others), "")
    if costs := list(_costs(summary)):
        yield from ("## Cost of a run", "", *costs, "")
    if summary.records.external:
        yield from ("## Images of other programs", "", *_external(summary), "")
    yield from ("## How the numbers were made", "", *(f"- {_text(line)}" for line in summary.footer))
    if bounds := [_bound(name, summary) for name in sorted(summary.notes) if _is_bound(name)]:
        yield f"- Real images reach: {', '.join(bounds)}."


# --- tables --------------------------------------------------------------------------------------
def _verdicts(summary: Summary, key: MetricKey) -> Iterable[str]:
    effects = [effect for effect in summary.effects if effect.metric == key.name]
    better = "lower" if key.direction == "lower" else "higher"
    extra = [f"{key.name}{end}" for end in ("_last", "_best") if f"{key.name}{end}" in summary.rows.columns]
    last = summary.protocol.get("final_images")
    titles = {f"{key.name}_last": f"last ({last} images)" if last else "last", f"{key.name}_best": "best (optimistic)"}
    yield _row(
        *("level", f"score ({better} is better)", *(_text(titles[name]) for name in extra)),
        *("change [95 % interval]", "p (adjusted)", "verdict", "seeds", "failures", "note"),
    )
    yield _rule(3 + len(extra) + 5)
    if first := summary.baseline(key.name):
        yield _row(
            *("baseline", wording.number(first.baseline_score), *(_mean(summary, key, None, name) for name in extra)),
            *("", "", "", *_seeds(first.baseline_n, first.baseline_failures), ""),
        )
    if said := wording.bound(summary, key.name):
        yield _row(f"{said[0]} (real images)", wording.number(said[1]), *[""] * (len(extra) + 6))
    for effect in effects:
        bold = "**" if effect.verdict in ("helps", "hurts") else ""
        means = (_mean(summary, key, effect, name) for name in extra)
        yield _row(
            *(_text(wording.name_of((effect.axis, effect.level))), wording.number(effect.score), *means),
            *(_change(effect, key), wording.p_value(effect.p_adjusted), f"{bold}{effect.verdict}{bold}"),
            *(*_seeds(effect.n, effect.failures), _text(wording.note(effect))),
        )


def _others(summary: Summary, keys: Sequence[MetricKey]) -> Iterable[str]:
    """Scores, with the interval of the change: a row per level, a column per metric."""
    found = {(effect.axis, effect.level, effect.metric): effect for effect in summary.effects}
    yield _row("level", *(_text(key.title or key.name) for key in keys))
    yield _rule(1 + len(keys))
    levels = list(dict.fromkeys((effect.axis, effect.level) for effect in summary.effects))
    if levels:
        base = [summary.baseline(key.name) for key in keys]
        yield _row("baseline", *(wording.number(one.baseline_score if one else None) for one in base))
    bounds = [wording.bound(summary, key.name) for key in keys]
    for word in dict.fromkeys(bound[0] for bound in bounds if bound):
        cells = (wording.number(bound[1]) if bound and bound[0] == word else "" for bound in bounds)
        yield _row(f"{word} (real images)", *cells)
    for level in levels:
        effects = [found[*level, key.name] for key in keys]
        cells = (f"{wording.number(e.score)} {_change(e, key)}".strip() for e, key in zip(effects, keys, strict=True))
        yield _row(_text(wording.name_of(level)), *cells)


def _costs(summary: Summary) -> Iterable[str]:
    """Means over the finished runs of each level, and the highest peak of memory."""
    rows = tables.costs(summary)["rows"]
    if rows:
        yield _row("level", "training", "evaluation", "peak memory")
        yield _rule(4)
    for row in rows:
        spent = (wording.seconds(row.seconds), wording.seconds(row.evaluation))
        yield _row(_text(row.name), *spent, f"{row.memory:.0f} MiB")


def _external(summary: Summary) -> Iterable[str]:
    """What `ganbench score` has measured like the suite: single sets of images, so without any verdict."""
    names = [key.name for key in summary.keys if any(key.name in one.metrics for one in summary.records.external)]
    titles = {key.name: key.title or key.name for key in summary.keys}
    yield _row("images of", "images", *(_text(titles[name]) for name in names), "note")
    yield _rule(3 + len(names))
    for one in summary.records.external:
        scores = (wording.number(one.metrics.get(name)) for name in names)
        yield _row(_text(one.name), str(one.images), *scores, _text(one.note))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return _row("---", *["---:"] * (columns - 1))


# --- cells ---------------------------------------------------------------------------------------
def _change(effect: Effect, key: MetricKey) -> str:
    if effect.change_percent is None or effect.ci_low is None or effect.ci_high is None:
        return ""
    low, high = (wording.change(end, key).removesuffix(" %") for end in (effect.ci_low, effect.ci_high))
    return f"{wording.change(effect.change_percent, key)} [{low}, {high}]"


def _seeds(finished: int, failures: int) -> tuple[str, str]:
    return f"{finished}/{finished + failures}", str(failures)


def _mean(summary: Summary, key: MetricKey, effect: Effect | None, column: str) -> str:
    """Mean over the finished seeds of a level (None: of the baseline) of a column that stands beside the score."""
    level = (effect.axis, effect.level) if effect else ("", "baseline")
    rows = zip(summary.rows["status"], summary.rows[column], summary.row_levels, strict=True)
    values = sorted(float(v) for status, v, name in rows if status == "done" and name == level and v == v)
    if not values or (key.scale == "ratio" and values[0] <= 0):
        return ""
    return wording.number(geometric_mean(values) if key.scale == "ratio" else fmean(values))


def _is_bound(name: str) -> bool:
    return ("_floor" in name or "_ceiling" in name) and not name.endswith("_images")


def _bound(name: str, summary: Summary) -> str:
    value, images = summary.notes[name], summary.notes.get(f"{name}_images")
    number = wording.number(value) if isinstance(value, int | float) else str(value)
    return _text(f"{name} {number}" + (f" ({images} images)" if images is not None else ""))


def _text(text: str) -> str:
    """One line that Markdown shows as it is: no tables, links, emphasis or HTML of somebody else's making."""
    line = " ".join(wording.plain(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", line)
