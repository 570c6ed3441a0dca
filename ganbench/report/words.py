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

MOST_NAMES = 6  # of levels with one verdict, in a sentence

Wording = dict[Verdict, tuple[str, str]]  # verdict -> one, many
_GROUPS: Wording = {
    "helps": ("helps", "help"),
    "hurts": ("hurts", "hurt"),
    "no difference": ("makes no difference", "make no difference"),
    "unstable": ("is unstable", "are unstable"),
    "not enough seeds": ("needs more seeds to tell", "need more seeds to tell"),
}
_LEFT_OUT: Wording = {  # of leave_one_out, where a level takes something away
    "helps": ("is better left out", "are better left out"),
    "hurts": ("is needed: without it, the score is worse", "are needed: without any of them, the score is worse"),
    "no difference": ("can go: without it, there is no difference", "can go, one at a time: there is no difference"),
    "unstable": ("is unstable when left out", "are unstable when left out"),
    "not enough seeds": ("needs more seeds to tell", "need more seeds to tell"),
}
assert set(_GROUPS) == set(_LEFT_OUT) == set(get_args(Verdict))


def answer(summary: Summary, primary: MetricKey) -> str:
    """One sentence that answers the question of the suite; for a grid two, on axes and on combinations."""
    effects = [effect for effect in summary.effects if effect.metric == primary.name]
    so_far = "So far, " if summary.partial else ""
    if not effects:
        return f"{so_far}{'n' if so_far else 'N'}othing was compared: the suite has a baseline only."
    main = [effect for effect in effects if effect.kind == "main effect"]
    rest = [effect for effect in effects if effect.kind != "main effect"]
    left_out = summary.suite.design == "leave_one_out"
    wording, noun = (_LEFT_OUT, "part") if left_out else (_GROUPS, "level")
    on = f"on {primary.title or primary.name}"
    if not main:
        return _sentence(f"{so_far}of {_count(rest, noun)}, {on}", rest, summary, primary, wording)
    head = f"{so_far}of {_count(main, 'level')}, {on} and on average over the other axes"
    told = [effect for effect in rest if effect.verdict in ("helps", "hurts", "unstable")]
    found = sum(pair.found for pair in summary.interactions)
    depends = f" {found} interaction{'s' * (found > 1)} found: see what depends on what." if found else ""
    whole = _sentence(f"of {_count(rest, 'combination')} as a whole", told, summary, primary, _GROUPS) if told else ""
    return f"{_sentence(head, main, summary, primary, wording)}{depends} {whole}".strip()


def _count(effects: Sequence[Effect], noun: str) -> str:
    return f"{len(effects)} {noun}{'s' * (len(effects) > 1)}"


def _sentence(head: str, effects: Sequence[Effect], summary: Summary, primary: MetricKey, wording: Wording) -> str:
    empty = [effect for effect in effects if not effect.n + effect.failures]
    by_verdict = {verdict: [e for e in effects if e.verdict == verdict and e not in empty] for verdict in wording}
    parts = []
    for verdict, found in by_verdict.items():
        if not found:
            continue
        one, many = wording[verdict]
        said = one if len(found) == 1 else many
        if verdict == "no difference":
            said += f" above {margin_text(summary, primary)}"
        parts.append(f"{len(found)} {said} ({_names(_strongest_first(found), primary)})")
    if empty:
        parts.append(f"{len(empty)} without results ({_names(empty, primary)})")
    text = f"{head}: {'; '.join(parts)}."
    return text[0].upper() + text[1:]


def _names(effects: Sequence[Effect], primary: MetricKey) -> str:
    """The first few of them; a sentence with all names of a large suite would be no answer."""
    more = len(effects) - MOST_NAMES
    names = ", ".join(_named(effect, primary) for effect in effects[:MOST_NAMES])
    return f"{names}, and {more} more" if more > 0 else names


def _strongest_first(effects: Sequence[Effect]) -> list[Effect]:
    """By the shrunken change: of several estimates, the largest is likely too large."""
    return sorted(effects, key=lambda e: (-abs(e.shrunken_percent or e.change_percent or 0.0), e.axis, e.level))


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


def margin_text(summary: Summary, key: MetricKey) -> str:
    return f"{100 * summary.suite.margin:g} %" if key.scale == "ratio" else f"{summary.suite.margin:g}"


def warnings(summary: Summary, changes: Sequence[str] = ()) -> list[str]:
    """What a reader must know before trusting the table."""
    lines = []
    if summary.partial:
        missing = summary.planned - summary.finished
        lines.append(f"partial: {missing} of {summary.planned} cells have no result yet, so verdicts are provisional")
    if changes:
        lines.append(
            f"the plan was changed after runs had begun ({'; '.join(changes)}): who decides again after having seen "
            "results finds more than there is"
        )
    if summary.looks > 1 and summary.look == 1 and summary.open and not summary.partial:
        lines.append(f"the declared second look is still to come for {len(summary.open)} levels: run the suite again")
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
    summary: Summary, primary: MetricKey, groups: Sequence[stats.Outcomes], deleted: Sequence[str] = ()
) -> list[str]:
    """How the numbers were made, a line each. groups: the baseline, then every level."""
    suite, protocol, levels = summary.suite, summary.protocol, groups[1:]
    lines = [f"Protocol {digest(protocol)}: " + (", ".join(f"{k} {v}" for k, v in flat(protocol)) or "not recorded")]
    mean = "geometric mean" if primary.scale == "ratio" else "mean"
    lines.append(
        f"Score of a run: {mean} of {primary.name} over the last {_window(suite.base, protocol)} evaluations; "
        "never the best checkpoint."
    )
    started, failed = sum(group.started for group in groups), sum(group.failures for group in groups)
    lines.append(f"Seeds: {summary.planned} planned, {started} started, {failed} failed.")
    lines += _spread(summary, primary)
    alpha = stats.look_level(suite.top_up)
    looks = f"{alpha:g} at each of two looks" if suite.top_up is not None else f"{alpha:g}, one look"
    comparisons = "1 declared comparison" if summary.comparisons == 1 else f"{summary.comparisons} declared comparisons"
    gone = f", {len(deleted)} of them deleted since: {', '.join(deleted)}" if deleted else ""
    lines.append(
        f"Verdicts: Welch's test on {primary.name}, {comparisons} (Holm){gone}, "
        f"level {looks}; margin {margin_text(summary, primary)}. Intervals are 95 %, not adjusted; p values are."
    )
    if suite.top_up is not None:
        lines.append(_looks(summary, primary))
    if curse := _winner(summary, primary):
        lines.append(curse)
    if started and not failed and levels:
        n = median_low([level.started for level in levels])
        if n:
            bound = stats.failure_bound(0, n)
            lines.append(f"No run failed; 0 of {n} still allows a true failure rate of {100 * bound:.0f} %.")
    return lines


def _looks(summary: Summary, primary: MetricKey) -> str:
    """Which look this is, and what it was taken for."""
    suite = summary.suite
    seeds = f"{len(suite.seeds)} seeds a level, then {suite.top_up} where that did not decide"
    effects = [effect for effect in summary.effects if effect.metric == primary.name]
    second = sum(effect.look == 2 for effect in effects)
    taken = f"the second was taken for {second} of {len(effects)}" if second else "this is the first"
    return f"Looks: two declared before the first run ({seeds}); {taken}."


def _winner(summary: Summary, primary: MetricKey) -> str:
    """The largest of several estimates is likely too large; by how much, roughly."""
    effects = [effect for effect in summary.effects if effect.metric == primary.name and effect.kind != "main effect"]
    tested = [effect for effect in effects if effect.change_percent is not None]
    if len(tested) < 3:
        return ""
    top = max(tested, key=lambda e: (abs(e.change_percent or 0.0), e.axis, e.level))
    seen, less = change_text(top.change_percent or 0.0, primary), change_text(top.shrunken_percent or 0.0, primary)
    name = f"{top.axis}={top.level}" if top.axis else top.level
    return (
        f"The largest of {len(tested)} changes is likely overestimated (winner's curse): {name} {seen}; shrunken by "
        f"the spread of all of them, {less}."
    )


def _spread(summary: Summary, primary: MetricKey) -> list[str]:
    """The smallest effect that these seeds can show, given the spread between seeds that was seen."""
    effect, sd, ratio = summary.smallest_effect, summary.spread, primary.scale == "ratio"
    if effect is None or not sd:
        return []
    effects = [one for one in summary.effects if one.metric == primary.name]
    main = [one for one in effects if one.kind == "main effect"] or effects
    n = median_low([one.n for one in main if one.n])
    n_base = median_low([one.baseline_n for one in main if one.n])
    size = f"{100 * effect:.1f} %" if ratio else f"{effect:.3g}"
    seen = f"{100 * sd:.1f} %" if ratio else f"{sd:.3g}"
    return [
        f"With {n} seeds against {n_base}, effects under {size} are invisible (power 0.8, after Holm; "
        f"spread between seeds {seen})."
    ]


def _window(base: Mapping[str, Json], protocol: Mapping[str, Json]) -> Json:
    evaluation = base.get("evaluation")
    given = evaluation.get("window") if isinstance(evaluation, dict) else None
    return protocol.get("window") or given or EvaluationConfig().window
