"""The tables of the page: what stands in their cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ganbench import Effect, Json, MetricKey, RunRecord, Summary
from ganbench_zoo.reports import wording
from ganbench_zoo.reports.page import figures
from ganbench_zoo.reports.wording import BASELINE, Level

FAILURES = ("diverged", "collapsed", "failed")
MOST_WARNINGS = 300
MOST_CLASSES = 32  # of a confusion matrix that can still be read


def levels(summary: Summary) -> list[Level]:
    """The baseline first, then every level that has an effect or a row, in the order of the suite."""
    effects = [(effect.axis, effect.level) for effect in summary.effects]
    return list(dict.fromkeys([BASELINE, *effects, *summary.row_levels]))


def by_level(summary: Summary) -> dict[Level, list[RunRecord]]:
    found: dict[Level, list[RunRecord]] = {level: [] for level in levels(summary)}
    for run in summary.records.runs:
        found.setdefault(run.level, []).append(run)
    return found


# --- scores ----------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Score:
    """One level on one metric that does not decide."""

    score: str
    change: str
    interval: str
    value: float | None


def others(summary: Summary) -> dict[str, Any]:
    """All metrics but the primary one: a row per level."""
    keys = [key for key in summary.keys if key.name != summary.suite.primary_metric]
    found = {(e.axis, e.level, e.metric): e for e in summary.effects}
    names = list(dict.fromkeys((e.axis, e.level) for e in summary.effects))
    base = [summary.baseline(key.name) for key in keys]
    return {
        "metrics": keys,
        "bounds": [bound(summary, key.name) for key in keys],
        "baseline": [one.baseline_score if one else None for one in base],
        "rows": [
            (wording.name_of(name), [_score(found.get((*name, key.name)), key) for key in keys]) for name in names
        ],
    }


def _score(effect: Effect | None, key: MetricKey) -> Score:
    if effect is None:
        return Score(score="", change="", interval="", value=None)
    changed = "" if effect.change_percent is None else wording.change(effect.change_percent, key)
    return Score(
        score=wording.number(effect.score), change=changed, interval=wording.interval(effect, key), value=effect.score
    )


def bound(summary: Summary, name: str) -> str:
    """What real images reach on a metric, at the number of images that is scored."""
    found = wording.bound(summary, name)
    return f"{found[0]} {wording.number(found[1])}" if found else ""


def bounds(summary: Summary) -> list[tuple[str, str]]:
    """Every floor and ceiling, with its number of images."""
    found = []
    for name, value in sorted(summary.notes.items()):
        if ("_floor" in name or "_ceiling" in name) and not name.endswith("_images") and isinstance(value, int | float):
            images = summary.notes.get(f"{name}_images")
            said = wording.number(value) + (f" ({images} images)" if images is not None else "")
            found.append((name.replace("_", " "), said))
    return found


def runs(summary: Summary) -> dict[str, Any]:
    """A row per cell and seed."""
    key = wording.primary(summary)
    names = [name for name in (key.name, f"{key.name}_last", f"{key.name}_best") if name in summary.rows.columns]
    rows = [
        {
            "name": wording.name_of(level),
            "cell": row["cell"],
            "seed": int(row["seed"]),
            "status": row["status"],
            "reason": row["reason"] if isinstance(row.get("reason"), str) else "",
            "scores": [_float(row[name]) for name in names],
            "seconds": _float(row.get("seconds")),
        }
        for level, row in zip(summary.row_levels, summary.rows.to_dict("records"), strict=True)
    ]
    words = {key.name: "score", f"{key.name}_last": "last", f"{key.name}_best": "best (optimistic)"}
    return {"titles": [words[name] for name in names], "rows": rows}


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


# --- along the way ---------------------------------------------------------------------------------
def warnings(summary: Summary) -> dict[str, Any]:
    """Health warnings with the step of each, of failed and finished runs alike."""
    found = [
        {
            "name": wording.name_of(run.level),
            "seed": run.seed,
            "status": run.status,
            "step": one.step,
            "until": one.last_step if one.last_step != one.step else None,
            "text": one.text,
        }
        for run in summary.records.runs
        for one in run.warnings
    ]
    return {"rows": found[:MOST_WARNINGS], "more": max(len(found) - MOST_WARNINGS, 0)}


def failures(summary: Summary) -> list[RunRecord]:
    return [run for run in summary.records.runs if run.status in FAILURES]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one level: means over its finished runs, and the highest peak of memory."""

    mark: str
    name: str
    score: float | None
    seconds: float
    evaluation: float
    images: float
    d: float
    g: float
    memory: float  # MiB


def costs(summary: Summary) -> dict[str, Any]:
    """Means over the finished runs of each level, and the plot of quality against seconds."""
    key = wording.primary(summary)
    effects = {(e.axis, e.level): e for e in summary.effects if e.metric == key.name}
    first = summary.baseline(key.name)
    rows: list[Cost] = []
    points: list[figures.Point] = []
    for level, members in by_level(summary).items():
        results = [run.result for run in members if run.result is not None and run.status == "done"]
        if not results:
            continue
        effect = effects.get(level)
        score = effect.score if effect else first.baseline_score if first and level == BASELINE else None
        row = Cost(
            mark=str(len(rows)),
            name=wording.name_of(level),
            score=score,
            seconds=fmean(result.seconds for result in results),
            evaluation=fmean(result.evaluation_seconds for result in results),
            images=fmean(result.images_seen for result in results),
            d=fmean(result.updates.get("d", 0) for result in results),
            g=fmean(result.updates.get("g", 0) for result in results),
            memory=max(result.peak_memory_mib for result in results),
        )
        rows.append(row)
        if score is not None:
            points.append(figures.Point(mark=row.mark, name=row.name, x=row.seconds, y=score))
    return {
        "rows": rows,
        "plot": figures.plot(points) if len(points) > 1 else None,
        "size": figures.PLOT,
        "left": figures.LEFT,
    }


# --- confusions ------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often what was asked for (rows) was seen as what (columns), summed over the seeds of a level."""

    label: str
    names: list[str]
    cells: list[list[tuple[str, int]]]  # per cent of the row, and its tenth as a shade 0..10
    accuracy: float


def confusions(summary: Summary) -> list[tuple[str, list[Confusion]]]:
    found = []
    for level, members in by_level(summary).items():
        tables: dict[str, list[Mapping[str, Any]]] = {}
        for run in members:
            for label, table in _tables(run.result.tables if run.result is not None and run.status == "done" else {}):
                tables.setdefault(label, []).append(table)
        made = [summed for label, seeds in tables.items() if (summed := _sum(label, seeds)) is not None]
        if made:
            found.append((wording.name_of(level), made))
    return found


def _tables(value: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Whatever looks like a confusion matrix, in the tables of any metric."""
    for name, item in value.items():
        if isinstance(item, dict):
            if isinstance(item.get("names"), list) and isinstance(item.get("confusion"), list):
                yield name, item
            else:
                yield from _tables(item)


def _sum(label: str, seeds: Sequence[Mapping[str, Any]]) -> Confusion | None:
    names = [str(name) for name in seeds[0]["names"]]
    alike = [table["confusion"] for table in seeds if list(map(str, table["names"])) == names]
    if len(names) > MOST_CLASSES:
        return None
    counts = [[sum(t[i][j] for t in alike) for j in range(len(names))] for i in range(len(names))]
    rows = [sum(row) for row in counts]
    total = sum(rows)
    cells = [
        [(f"{100 * n / whole:.0f}" if n else "", round(10 * n / whole)) if whole else ("", 0) for n in row]
        for row, whole in zip(counts, rows, strict=True)
    ]
    right = sum(counts[i][i] for i in range(len(names)))
    return Confusion(label=label, names=names, cells=cells, accuracy=right / total if total else 0.0)


# --- protocol --------------------------------------------------------------------------------------
def flat(value: Mapping[str, Json], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name in sorted(value):
        item = value[name]
        if isinstance(item, dict):
            rows += flat(item, f"{prefix}{name}.")
        elif item is not None:
            rows.append((prefix + name, ", ".join(map(str, item)) if isinstance(item, list) else str(item)))
    return rows


def samplers(summary: Summary) -> list[tuple[str, str]]:
    """How images were drawn from the networks, and by which levels: it may differ, being part of the treatment."""
    found: dict[str, dict[str, None]] = {}
    for run in summary.records.runs:
        sampler = run.result.protocol.get("sampler") if run.result is not None else None
        if isinstance(sampler, dict):
            said = ", ".join(f"{name} {value}" for name, value in flat(sampler))
            found.setdefault(said, {})[wording.name_of(run.level)] = None
    if len(found) == 1:
        return [(next(iter(found)), "all levels")]
    return [(said, ", ".join(names)) for said, names in found.items()]
