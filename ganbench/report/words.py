"""The sentences of a report: the answer to the suite's question, warnings, and how the numbers were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import get_args

from ganbench import stats
from ganbench.api.config import EvaluationConfig, Json
from ganbench.api.metric import MetricKey
from ganbench.api.summary import Effect, Summary, Verdict
from ganbench.report.protocol import digest, flat

_GROUPS: dict[Verdict, tuple[str, str]] = {  # verdict -> one, many
    "helps": ("helps", "help"),
    "hurts": ("hurts", "hurt"),
    "no difference": ("makes no difference", "make no difference"),
    "unstable": ("is unstable", "are unstable"),
    "not enough seeds": ("needs more seeds to tell", "need more seeds to tell"),
}
assert set(_GROUPS) == set(get_args(Verdict))


def answer(summary: Summary, primary: MetricKey) -> str:
    """One sentence that answers the question of the suite."""
    effects = [effect for effect in summary.effects if effect.metric == primary.name]
    so_far = "So far, " if summary.partial else ""
    if not effects:
        return f"{so_far}{'n' if so_far else 'N'}othing was compared: the suite has a baseline only."
    empty = [effect for effect in effects if not effect.n + effect.failures]
    by_verdict = {verdict: [e for e in effects if e.verdict == verdict and e not in empty] for verdict in _GROUPS}
    parts = []
    for verdict, found in by_verdict.items():
        if not found:
            continue
        one, many = _GROUPS[verdict]
        wording = one if len(found) == 1 else many
        if verdict == "no difference":
            wording += f" above {_margin(summary, primary)}"
        names = ", ".join(_named(effect, primary) for effect in _strongest_first(found))
        parts.append(f"{len(found)} {wording} ({names})")
    if empty:
        names = ", ".join(_named(effect, primary) for effect in empty)
        parts.append(f"{len(empty)} without results ({names})")
    head = f"{so_far}of {len(effects)} level{'s' * (len(effects) > 1)}"
    text = f"{head}, on {primary.title or primary.name}: {'; '.join(parts)}."
    return text[0].upper() + text[1:]


def _strongest_first(effects: Sequence[Effect]) -> list[Effect]:
    return sorted(effects, key=lambda e: (-abs(e.change_percent or 0.0), e.axis, e.level))


def _named(effect: Effect, primary: MetricKey) -> str:
    name = f"{effect.axis}={effect.level}" if effect.axis else effect.level
    if effect.verdict in ("helps", "hurts") and effect.change_percent is not None:
        return f"{name} {change_text(effect.change_percent, primary)}"
    if effect.verdict == "unstable":
        return f"{name}, {effect.failures} of {effect.n + effect.failures} failed"
    return name


def change_text(change: float, key: MetricKey) -> str:
    """Per cent for ratios; the difference itself for differences."""
    return f"{change:+.1f} %" if key.scale == "ratio" else f"{change / 100:+.3g}"


def _margin(summary: Summary, key: MetricKey) -> str:
    return f"{100 * summary.suite.margin:g} %" if key.scale == "ratio" else f"{summary.suite.margin:g}"


def warnings(summary: Summary) -> list[str]:
    """What a reader must know before trusting the table."""
    lines = []
    if summary.partial:
        missing = summary.planned - summary.finished
        lines.append(f"partial: {missing} of {summary.planned} cells have no result yet, so verdicts are provisional")
    statuses = list(summary.rows["status"])
    if stale := statuses.count("stale"):
        lines.append(f"{stale} cells are stale (plugin code, data or evaluation has changed) and are left out")
    baseline = next((e for e in summary.effects if e.metric == summary.suite.primary_metric), None)
    if baseline is not None and baseline.baseline_failures:
        started = baseline.baseline_n + baseline.baseline_failures
        lines.append(f"the baseline itself failed in {baseline.baseline_failures} of {started} seeds")
    if skipped := statuses.count("skipped"):
        lines.append(f"{skipped} cells are skipped: their parts cannot go together")
    return lines


def footer(
    summary: Summary, primary: MetricKey, baseline: stats.Outcomes, levels: Sequence[stats.Outcomes]
) -> list[str]:
    """How the numbers were made, a line each."""
    suite, protocol = summary.suite, summary.protocol
    lines = [f"Protocol {digest(protocol)}: " + (", ".join(f"{k} {v}" for k, v in flat(protocol)) or "not recorded")]
    mean = "geometric mean" if primary.scale == "ratio" else "mean"
    lines.append(
        f"Score of a run: {mean} of {primary.name} over the last {_window(suite.base, protocol)} evaluations; "
        "never the best checkpoint."
    )
    started = baseline.started + sum(level.started for level in levels)
    failed = baseline.failures + sum(level.failures for level in levels)
    lines.append(f"Seeds: {summary.planned} planned, {started} started, {failed} failed.")
    if levels and (spread := _spread(summary, primary, baseline, levels)):
        lines.append(spread)
    alpha = stats.look_level(suite.top_up)
    looks = f"{alpha:g} at each of two looks" if suite.top_up is not None else f"{alpha:g}, one look"
    comparisons = "1 declared comparison" if len(levels) == 1 else f"{len(levels)} declared comparisons"
    lines.append(
        f"Verdicts: Welch's test on {primary.name}, {comparisons} (Holm), "
        f"level {looks}; margin {_margin(summary, primary)}. Intervals are 95 %, not adjusted; p values are."
    )
    if started and not failed and levels:
        n = median_low([level.started for level in levels])
        if n:
            bound = stats.failure_bound(0, n)
            lines.append(f"No run failed; 0 of {n} still allows a true failure rate of {100 * bound:.0f} %.")
    return lines


def _spread(
    summary: Summary, primary: MetricKey, baseline: stats.Outcomes, levels: Sequence[stats.Outcomes]
) -> str | None:
    """The smallest effect that these seeds can show, given the spread between seeds that was seen."""
    ratio = primary.scale == "ratio"
    sd = stats.pooled_sd([group.scores for group in [baseline, *levels]], ratio)
    finished = [len(level.scores) for level in levels if level.scores]
    if not sd or not finished:
        return None
    n, n_base = median_low(finished), len(baseline.scores)
    alpha = stats.look_level(summary.suite.top_up)
    effect = stats.smallest_effect(sd, n, n_base, alpha=alpha, comparisons=len(levels), ratio=ratio)
    if effect is None:
        return None
    size = f"{100 * effect:.1f} %" if ratio else f"{effect:.3g}"
    seen = f"{100 * sd:.1f} %" if ratio else f"{sd:.3g}"
    return (
        f"With {n} seeds against {n_base}, effects under {size} are invisible (power 0.8, after Holm; "
        f"spread between seeds {seen})."
    )


def _window(base: Mapping[str, Json], protocol: Mapping[str, Json]) -> Json:
    evaluation = base.get("evaluation")
    given = evaluation.get("window") if isinstance(evaluation, dict) else None
    return protocol.get("window") or given or EvaluationConfig().window
