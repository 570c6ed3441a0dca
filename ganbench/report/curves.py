"""Results folder -> what report formats draw: curves, sample grids, warnings, logs of failed cells. No torch."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ganbench.api.cell import FAILURES, RunResult
from ganbench.api.config import Json
from ganbench.api.recorded import Curve, ExternalScore, Grid, HealthWarning, PublishedFigure, Records, RunRecord
from ganbench.api.summary import Summary
from ganbench.files import read_json
from ganbench.redact import redact
from ganbench.report.published import published
from ganbench.store import CellFolder, Store, SuiteFolder

# Where a record stands, as against what was measured there.
AXES = ("step", "images_seen", "seconds", "d_updates", "g_updates", "progress")
POINTS = (40, 300)  # of one curve, at least and at most
ALL_POINTS = 40_000  # of one series over all cells: more cells, fewer points each
LOG_LINES = 15


def with_records(summary: Summary, folder: SuiteFolder) -> Summary:
    """The summary with all that its cells left behind beside their results. Damaged files count as absent."""
    most = min(max(ALL_POINTS // max(len(summary.rows), 1), POINTS[0]), POINTS[1])
    runs = []
    rows = summary.rows[["cell", "seed", "status", "reason"]].itertuples(index=False)
    for (cell, seed, status, reason), level in zip(rows, summary.row_levels, strict=True):
        runs.append(read_run(folder, str(cell), level, int(seed), str(status), str(reason or ""), most, summary))
    data = summary.protocol.get("data")
    real = find_images(caches(folder, runs), data) if isinstance(data, str) else None
    training = real.parent.parent / "train" / "images.npy" if real is not None else None
    records = Records(runs=runs, real=real, training=training, published=published_figures(summary))
    return replace(summary, records=replace(records, external=external_scores(summary, folder)))


def external_scores(summary: Summary, folder: SuiteFolder) -> list[ExternalScore]:
    """What `ganbench score` has left for the table. Numbers that were measured in another way stay out of it."""
    found = []
    for path in sorted((folder.path / "external").glob("*.json")):
        record = read_json(path) or {}
        name, metrics, theirs = record.get("name"), record.get("metrics"), record.get("protocol")
        images, last = record.get("images"), record.get("last")
        if not (isinstance(metrics, dict) and isinstance(theirs, dict)):
            continue
        if not (isinstance(name, str) and isinstance(images, int)):
            continue
        ours = summary.protocol
        same = ("data", "reference", "reference_images", "extractor_digest", "resize", "images")
        other = [key for key in same if ours and theirs.get(key) != ours.get(key)]
        judges, known = theirs.get("metrics"), ours.get("metrics")
        if isinstance(judges, dict) and isinstance(known, dict):
            other += [str(m) for m in judges if judges[m] != known.get(m)]
        note = f"measured in another way: {', '.join(other)}" if other else "one set of images of another program"
        found.append(
            ExternalScore(
                name=name,
                images=images,
                metrics={} if other else scores_of(metrics),
                last=scores_of(last) if isinstance(last, dict) and not other else {},
                note=note,
            )
        )
    return found


def scores_of(record: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in numbers(record) if value is not None}


def published_figures(summary: Summary) -> list[PublishedFigure]:
    """What others have published on the suite's metrics, on the same data or to the same question."""
    named = summary.suite.base.get("dataset")
    dataset = next(iter(named), "") if isinstance(named, dict) else str(named or "")
    shown = [field.name for field in fields(PublishedFigure)]
    metrics = dict.fromkeys(key.name.partition("/")[0] for key in summary.keys)
    found = [figure for metric in metrics for figure in published(dataset, metric, summary.suite.name)]
    return [PublishedFigure(**{name: getattr(figure, name) for name in shown}) for figure in found]


def read_run(
    folder: SuiteFolder,
    cell_id: str,
    level: tuple[str, str],
    seed: int,
    status: str,
    reason: str,
    points: int,
    summary: Summary,
) -> RunRecord:
    """One cell. A stale one shows what it has, too."""
    cell = folder.cell(cell_id)
    result = cell.load_result()
    history = list(read_some(cell.path / "history.jsonl", points))
    snapshots = cell.snapshots()
    failed = status in FAILURES
    return RunRecord(
        cell=cell_id,
        level=level,
        seed=seed,
        status=status,
        reason=reason,
        losses=columns(history),
        scores=columns(scored(snapshots)),
        grids=grids(cell, snapshots),
        animation=cell.animation if cell.animation.exists() else None,
        result=result,
        warnings=warnings_of(history, result),
        log=[redact(line) for line in cell.log_tail(LOG_LINES)] if failed else [],
        retry=retry(summary, cell_id) if status == "failed" else "",  # diverged is an outcome
    )


# --- numbers ---------------------------------------------------------------------------------------
def read_some(path: Path, points: int) -> Iterator[dict[str, Any]]:
    """About so many records of a .jsonl file, evenly spread, with the last one and all probes of health. To read all of
    a long training would take longer than to draw it."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return
    lines = [line for line in lines if line]
    stride = max(math.ceil(len(lines) / points), 1)
    for index, line in enumerate(lines):
        if (len(lines) - 1 - index) % stride == 0 or b'"warning' in line or b'"health' in line:
            try:
                record = json.loads(line)
            except ValueError:
                return
            if isinstance(record, dict):
                yield record


def columns(records: Iterable[Mapping[str, Any]]) -> Curve:
    """Records with numbers, as columns. Numbers one level down get dotted names: `health` {"a": 1} is health.a."""
    flat = [dict(numbers(record)) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    table = {name: [record.get(name) for record in flat] for name in names}
    return Curve(
        at={name: values for name, values in table.items() if name in AXES},
        values={name: values for name, values in table.items() if name not in AXES},
    )


def numbers(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | None]]:
    for name, value in record.items():
        if isinstance(value, bool) or name.startswith("warning"):
            continue
        if isinstance(value, int | float):
            yield prefix + name, value if abs(value) <= sys.float_info.max else None  # integers have no end
        elif isinstance(value, dict) and not prefix:
            yield from numbers(value, f"{name}.")


def scored(snapshots: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Evaluations at the number of images that is scored: the larger last one is no point of the same curve."""
    images = None
    for snapshot in snapshots:
        images = snapshot.get("images") if images is None else images
        if snapshot.get("images") == images:
            where = {name: snapshot[name] for name in AXES if name in snapshot}
            measured = snapshot.get("metrics")
            found = dict(measured) if isinstance(measured, dict) else {}
            yield where | found | {name: snapshot[name] for name in ("diversity",) if name in snapshot}


# --- warnings --------------------------------------------------------------------------------------
def warnings_of(history: Iterable[Mapping[str, Any]], result: RunResult | None) -> list[HealthWarning]:
    """Every warning once, with the step at which it was first given."""
    said = sentences(result.health, None) if result is not None else []  # first: it knows until when each held
    for record in history:
        step = record.get("step") if isinstance(record.get("step"), int) else None
        for name in ("health", "warnings", "warning"):
            said += sentences(record.get(name), step)
    found: dict[str, HealthWarning] = {}
    for warning in said:
        known = found.get(warning.text)
        if known is None or known.step is None:
            found[warning.text] = warning
    return sorted(found.values(), key=lambda warning: (warning.step is None, warning.step or 0, warning.text))


def sentences(health: Json, step: int | None) -> list[HealthWarning]:
    """Warnings in whatever form a health check writes them: a sentence, a list of them, or records with a step and a
    text. Numbers are measurements, not warnings."""
    if isinstance(health, str) and health:
        return [HealthWarning(step=step, text=health)]
    if isinstance(health, list):
        return [warning for item in health for warning in sentences(item, step)]
    if not isinstance(health, dict):
        return []
    when = health.get("step")
    step = when if isinstance(when, int) and not isinstance(when, bool) else step
    text = next((health[name] for name in ("text", "message", "reason", "warning") if health.get(name)), None)
    if isinstance(text, str):
        name = health.get("name") or health.get("check")
        last = health.get("last_step")
        said = f"{name}: {text}" if isinstance(name, str) else text
        return [HealthWarning(step=step, text=said, last_step=last if isinstance(last, int) else None)]
    return [warning for item in health.values() if isinstance(item, list | dict) for warning in sentences(item, step)]


# --- pictures --------------------------------------------------------------------------------------
def grids(cell: CellFolder, snapshots: Iterable[Mapping[str, Any]]) -> list[Grid]:
    found = {}
    for snapshot in snapshots:
        step = snapshot.get("step")
        if isinstance(step, int):
            path = cell.samples / f"{step:08d}.webp"
            progress, views = snapshot.get("progress"), snapshot.get("views")
            found[step] = Grid(
                step=step,
                progress=float(progress) if isinstance(progress, int | float) else 0,
                path=path,
                views=tuple(map(str, views)) if isinstance(views, list) else (),
            )
    return [grid for _, grid in sorted(found.items()) if grid.path.is_file() and not grid.path.is_symlink()]


def caches(folder: SuiteFolder, runs: Iterable[RunRecord]) -> Iterator[Path]:
    """Where the cells' data may be: the cache that the first of them names, then the one beside the suites."""
    for run in runs:
        config = read_json(folder.cell(run.cell).path / "config.json")
        if config is not None and isinstance(config.get("cache"), str):
            yield (folder.cell(run.cell).path / config["cache"]).resolve()
            break
    yield Store(folder.path.parent).cache


def find_images(places: Iterable[Path], digest: str) -> Path | None:
    """images.npy of the split with this digest."""
    for place in places:
        for facts in sorted(place.glob("data/*/*/facts.json")):
            images = facts.with_name("images.npy")
            if (read_json(facts) or {}).get("sha256") == digest and images.is_file():
                return images
    return None


# --- words -----------------------------------------------------------------------------------------
def retry(summary: Summary, cell_id: str) -> str:
    profile = f" --profile {shlex.quote(summary.suite.profile)}" if summary.suite.profile else ""
    return f"ganbench run {shlex.quote(summary.suite.name + '.yaml')}{profile} --retry --cells {shlex.quote(cell_id)}"
