"""`ganbench compare` and `ganbench gate`: two levels side by side, and a bound for continuous integration."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ganbench import stats
from ganbench.api.config import Json
from ganbench.api.metric import MetricKey
from ganbench.api.summary import Effect, Summary
from ganbench.commands.arguments import find_suites
from ganbench.commands.screen import columns, document, safe
from ganbench.errors import ConfigError, NothingMatched, did_you_mean
from ganbench.report.effects import comparable, outcomes, rule
from ganbench.report.environments import environment, mixed
from ganbench.report.pipeline import origins, summary_of
from ganbench.report.protocol import flat
from ganbench.report.words import change_text
from ganbench.store import CellFolder, Store, SuiteFolder

Level = tuple[str, str]  # axis, level
BASELINE: Level = ("", "baseline")
ABSENT = "(nothing)"
GATE_FAILED = 4


# --- compare -------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Compared:
    """One metric of two levels."""

    metric: str
    title: str
    a: float | None  # score: mean over seeds, geometric for ratios
    b: float | None
    n_a: int  # finished seeds
    n_b: int
    failures_a: int
    failures_b: int
    change_percent: float | None  # of b against a; difference metrics: 100 x the difference
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    verdict: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two levels of a suite: what differs in their configurations, and in what came of them."""

    suite: str
    a: str
    b: str
    differences: dict[str, tuple[Json, Json]]  # path -> its value in a and in b
    metrics: list[Compared]
    seeds: list[dict[str, Json]]  # per seed: the score on the primary metric
    warnings: list[str]  # that their cells were run under several versions, or on several devices


def compare_levels(folder: SuiteFolder, summary: Summary, word_a: str, word_b: str) -> Comparison:
    """Raises NothingMatched for a level that the suite does not have."""
    a, b = (find_level(summary, word) for word in (word_a, word_b))
    if a == b:
        raise ConfigError(f"{word_a!r} and {word_b!r} are the same level")
    rows = {level: rows_of(summary, level) for level in (a, b)}
    return Comparison(
        suite=folder.path.name,
        a=name_of(a),
        b=name_of(b),
        differences=differences(folder, rows[a], rows[b]),
        metrics=[compared(summary, key, rows[a], rows[b], a, b) for key in summary.keys],
        seeds=by_seed(rows[a], rows[b], summary.suite.primary_metric),
        warnings=other_versions(folder, rows[a], rows[b]),
    )


def other_versions(
    folder: SuiteFolder, rows_a: Sequence[Mapping[str, Any]], rows_b: Sequence[Mapping[str, Any]]
) -> list[str]:
    found = [[environment(origin) for origin in origins(folder, rows).values()] for rows in (rows_a, rows_b)]
    return mixed([*found[0], *found[1]])


def name_of(level: Level) -> str:
    return f"{level[0]}={level[1]}" if level[0] else level[1]


def find_level(summary: Summary, word: str) -> Level:
    """`baseline`, `axis=level`, or the name of a level that only one axis has."""
    effects = [effect for effect in summary.effects if effect.kind != "main effect"]
    known = list(dict.fromkeys([BASELINE, *((effect.axis, effect.level) for effect in effects)]))
    exact = [level for level in known if word in (name_of(level), f"{level[0]}: {level[1]}")]
    found = exact or [level for level in known if level[1] == word]
    if len(found) > 1:
        raise ConfigError(f"{word!r}: {len(found)} axes have this level: {', '.join(map(name_of, found))}")
    if not found:
        names = [name_of(level) for level in known]
        raise NothingMatched(f"{summary.suite.folder} has no level {word!r}.{did_you_mean(word, names)}")
    return found[0]


def rows_of(summary: Summary, level: Level) -> list[dict[str, Any]]:
    records = summary.rows.to_dict("records")
    chosen = zip(records, summary.row_levels, strict=True)
    return [{str(k): v for k, v in row.items()} for row, name in chosen if name == level]


def differences(
    folder: SuiteFolder, rows_a: Sequence[Mapping[str, Any]], rows_b: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[Json, Json]]:
    """Every path at which the configurations differ, as the cells were run."""
    a, b = (flat_config(folder, rows) for rows in (rows_a, rows_b))
    paths = sorted(a.keys() | b.keys())
    return {p: (a.get(p, ABSENT), b.get(p, ABSENT)) for p in paths if a.get(p, ABSENT) != b.get(p, ABSENT)}


def flat_config(folder: SuiteFolder, rows: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    for row in rows:
        cell_folder: CellFolder = folder.cell(str(row["cell"]))
        if (cell_folder.path / "config.json").exists():
            cell, _, _ = cell_folder.read_config()
            sampler: dict[str, Json] = {"weights": cell.evaluation.weights, "batch_norm": cell.evaluation.batch_norm}
            found: dict[str, Json] = json.loads(json.dumps(asdict(cell.config)))
            return dict(flat(found | {"evaluation": sampler}))
    return {}


def compared(
    summary: Summary, key: MetricKey, rows_a: list[dict[str, Any]], rows_b: list[dict[str, Any]], a: Level, b: Level
) -> Compared:
    """The suite's own verdict where it declares this comparison; else one that was not declared, and says so."""
    found: Effect | stats.Finding
    declared = [e for e in summary.effects if e.metric == key.name and (e.axis, e.level) == b and a == BASELINE]
    if declared:
        found = declared[0]
        p_value = found.p_value if found.p_adjusted is None else found.p_adjusted
        note = found.note
    else:
        own = rule(summary.suite, key, comparable(summary.notes, summary.protocol), 1)
        found = stats.judge({0: outcomes(rows_b, key)}, outcomes(rows_a, key), own)[0]
        p_value = found.p_value
        note = "; ".join([*found.notes, "not declared by the suite: exploratory, and p is not adjusted"])
    return Compared(
        metric=key.name,
        title=key.title or key.name,
        a=found.baseline_score,
        b=found.score,
        n_a=found.baseline_n,
        n_b=found.n,
        failures_a=found.baseline_failures,
        failures_b=found.failures,
        change_percent=found.change_percent,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        p_value=p_value,
        verdict=found.verdict,
        note=note,
    )


def by_seed(rows_a: list[dict[str, Any]], rows_b: list[dict[str, Any]], metric: str) -> list[dict[str, Json]]:
    """Score, or status where there is none, of both levels for each seed that either has."""

    def said(row: Mapping[str, Any] | None) -> Json:
        if row is None:
            return None
        value = row.get(metric)
        return float(value) if row["status"] == "done" and value is not None and math.isfinite(value) else row["status"]

    a, b = ({int(row["seed"]): row for row in rows} for rows in (rows_a, rows_b))
    return [{"seed": seed, "a": said(a.get(seed)), "b": said(b.get(seed))} for seed in sorted(a.keys() | b.keys())]


def compare(store: Store, suite: str, level_a: str, level_b: str, as_json: bool) -> int:
    """The command; returns the exit code."""
    folder = one_suite(store, suite)
    summary = summary_of(folder)
    found = compare_levels(folder, summary, level_a, level_b)
    if as_json:
        document(found)
        return 0
    print(safe(f"{found.suite}: {found.a} -> {found.b}"))
    rows = [(path, f"{show(a)} -> {show(b)}") for path, (a, b) in found.differences.items()]
    print("\n".join(columns(rows, indent="  ")) or "  the same configuration")
    keys = {key.name: key for key in summary.keys}
    for one in found.metrics:
        print(safe(metric_line(one, keys[one.metric])))
    table = [("seed", found.a, found.b), *((str(r["seed"]), show(r["a"]), show(r["b"])) for r in found.seeds)]
    print("\n".join(columns(table, indent="  ")))
    for warning in found.warnings:
        print(safe(f"warning: {warning}"))
    return 0


def metric_line(one: Compared, key: MetricKey) -> str:
    change = ""
    if one.change_percent is not None and one.ci_low is not None and one.ci_high is not None:
        low, high = change_text(one.ci_low, key), change_text(one.ci_high, key)
        change = f", {change_text(one.change_percent, key)} [{low}, {high}]"
    seeds = f"{one.n_a}/{one.n_a + one.failures_a} and {one.n_b}/{one.n_b + one.failures_b} seeds"
    note = f" ({one.note})" if one.note else ""
    return f"{one.title}: {show(one.a)} -> {show(one.b)}{change}, {seeds}: {one.verdict}{note}"


def show(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def one_suite(store: Store, word: str) -> SuiteFolder:
    found = find_suites(store, [word])
    if len(found) > 1:
        raise ConfigError(f"{word}: {len(found)} folders: {', '.join(folder.path.name for folder in found)}; name one")
    return found[0]


# --- gate ----------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Bound:
    """What the baseline's score must keep."""

    metric: str
    value: float
    most: bool  # at most; else at least
    score: float | None = None
    problem: str = ""  # why it does not hold

    @property
    def words(self) -> str:
        return f"{self.metric} {'<=' if self.most else '>='} {self.value:g}"


def gate(store: Store, suite: str, most: Sequence[str], least: Sequence[str], as_json: bool) -> int:
    """The command: exit code 4 where the baseline does not keep a bound."""
    asked = [bound(text, "--max", True) for text in most] + [bound(text, "--min", False) for text in least]
    if not asked:
        raise ConfigError("gate: name a bound, such as --max fid=60")
    summary = summary_of(one_suite(store, suite))
    checked = [check(summary, one) for one in asked]
    held = not any(one.problem for one in checked)
    if as_json:
        bounds = [{**asdict(one), "holds": not one.problem} for one in checked]
        document({"suite": summary.suite.folder, "holds": held, "bounds": bounds})
    for one in checked if not as_json else []:
        print(safe(f"{'holds' if not one.problem else 'FAILS'}: {one.words}: {one.problem or show(one.score)}"))
    return 0 if held else GATE_FAILED


def bound(text: str, option: str, most: bool) -> Bound:
    metric, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not equals or not metric.strip() or not math.isfinite(number):
        raise ConfigError(f"{option} {text}: expected metric=value, such as fid=60")
    return Bound(metric=metric.strip(), value=number, most=most)


def check(summary: Summary, asked: Bound) -> Bound:
    """With the baseline's score, which is the mean over its seeds. A failed seed is a failed gate: there is no score
    that stands for it."""
    keys = {key.name: key for key in summary.keys}
    name = asked.metric.removesuffix("_last")
    if name not in keys:
        raise ConfigError(f"{asked.metric}: is not measured by {summary.suite.folder}.{did_you_mean(name, keys)}")
    key = keys[name]
    if (key.direction == "lower") != asked.most:
        better, option = ("lower", "--max") if key.direction == "lower" else ("higher", "--min")
        raise ConfigError(
            f"{asked.metric}: {better} is better, so the bound is {option} {asked.metric}={asked.value:g}"
        )
    column = MetricKey(name=asked.metric, direction=key.direction, scale=key.scale, margin=key.margin)
    found = outcomes(rows_of(summary, BASELINE), column)
    if found.missing or not found.started:
        raise ConfigError(f"{summary.suite.folder}: {found.missing} seeds of the baseline have no valid result yet")
    score = stats.score(found.scores, key.scale == "ratio") if found.scores else None
    problem = ""
    if found.failures:
        problem = f"{found.failures} of {found.started} seeds of the baseline failed"
    elif score is not None and (score > asked.value if asked.most else score < asked.value):
        problem = f"it is {score:.4g}"
    return Bound(metric=asked.metric, value=asked.value, most=asked.most, score=score, problem=problem)
