"""`ganbench plan`: what a run would do, how long it would take, and what its seeds could tell."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from ganbench import registry
from ganbench.api.cell import Suite
from ganbench.commands.arguments import Choice, load_suites, request_of
from ganbench.commands.index import Index
from ganbench.commands.screen import columns, console, counted, document, duration, safe
from ganbench.estimate import Estimate, Smallest, estimate, key_of, smallest
from ganbench.seldom import seldom
from ganbench.store import Store
from ganbench.suite import canonical, check, expand, missing_data

if TYPE_CHECKING:
    from ganbench.api.executor import Executor
    from ganbench.runner import Planned, Request

LONG = 8 * 3600.0  # seconds after which a smaller profile is worth a word


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is known of a suite before it runs."""

    suite: Suite
    planned: list[Planned]
    remaining: list[Planned]
    missing: list[str]  # what data sets say that are not there
    weights: list[str]  # what extractors say whose weights are not there
    estimate: Estimate | None
    smallest: list[Smallest]
    ratio: bool  # whether effects are shares


def make_plans(choice: Choice, store: Store) -> list[Plan]:
    request = request_of(choice)
    return [plan_of(suite, store, request) for suite in load_suites(choice)]


@registry.reading_once()
def plan_of(suite: Suite, store: Store, request: Request) -> Plan:
    """Writes nothing, and works without the data."""
    from ganbench.runner import TO_RUN, plan_suite

    planned = plan_suite(suite, store, request, known=Index.load(store.suite(suite.folder)).result)
    remaining = [one for one in planned if one.state in TO_RUN]
    runnable = [one.cell for one in planned if one.state != "skipped"]
    datasets = {str(cell.config.dataset): cell.config for cell in runnable}
    missing = [sentence for config in datasets.values() if (sentence := missing_data(config))]
    key = key_of(suite, runnable)
    jobs = jobs_of(suite, request, remaining) if remaining else 1
    return Plan(
        suite=suite,
        planned=planned,
        remaining=remaining,
        missing=missing,
        weights=missing_weights(planned),
        estimate=estimate(planned, remaining, jobs, suite.options.device, possible_top_up(suite, planned, store)),
        smallest=smallest(suite, planned, key),
        ratio=key is None or key.scale == "ratio",
    )


def possible_top_up(suite: Suite, planned: Sequence[Planned], store: Store) -> list[Planned]:
    """The cells that the second look would run if the first decided nothing; none where it is decided already."""
    from ganbench.remaining import Planned
    from ganbench.report.looks import Looks
    from ganbench.suite import topped_up

    folder = store.suite(suite.folder)
    looks = Looks.read(folder)
    if suite.top_up is None or (looks is not None and looks.second is not None):
        return []
    known, skipped = {one.cell.id for one in planned}, {str(one.cell.levels) for one in planned if one.cell.conflict}
    more = [cell for cell in expand(topped_up(suite)) if cell.id not in known and str(cell.levels) not in skipped]
    return [Planned(cell=cell, folder=folder.cell(cell.id), state="pending") for cell in more]


def missing_weights(planned: Sequence[Planned]) -> list[str]:
    """What the extractors say whose weights are not there."""
    from ganbench.api.extractor import Extractor
    from ganbench.errors import DataError

    said: dict[str, None] = {}
    for spec in {str(one.cell.evaluation.extractor): one.cell.evaluation.extractor for one in planned}.values():
        try:
            cast(Extractor, registry.make("extractor", spec)).digest()
        except DataError as error:
            said[str(error)] = None
    return list(said)


def jobs_of(suite: Suite, request: Request, remaining: Sequence[Planned]) -> int:
    """How many cells the executor would run at once."""
    if request.jobs is not None:
        return request.jobs
    executor = cast("Executor", registry.make("executor", request.executor))
    threads = max(one.cell.config.training.threads for one in remaining)
    workers = executor.start(suite.options, None, threads, lambda message: None)
    capacity = workers.capacity
    workers.stop(0.0)
    return capacity


@seldom()
def plan(choice: Choice, store: Store, as_json: bool, resolved: bool) -> int:
    """The command; returns the exit code."""
    if resolved:
        return print_resolved(load_suites(choice), as_json)
    plans = make_plans(choice, store)
    if as_json:
        document({"suites": [as_record(one, store) for one in plans]})
    else:
        for one in plans:
            print_plan(one, store)
    return 0


def print_resolved(suites: Sequence[Suite], as_json: bool) -> int:
    """The full configuration of every level, all plugin options and defaults included."""
    from ganbench.suite import dump
    from ganbench.suite.expand import name_of

    levels: list[dict[str, Any]] = []
    for suite in suites:
        for cell in check(expand(suite)):
            if not levels or (levels[-1]["suite"], levels[-1]["levels"]) != (suite.folder, cell.levels):
                levels.append(
                    {
                        "suite": suite.folder,
                        "levels": cell.levels,
                        "conflict": cell.conflict,
                        "config": canonical(cell.config),
                        "evaluation": asdict(cell.evaluation),
                    }
                )
    if as_json:
        document({"levels": levels})
        return 0
    from ganbench.suite.dump import block

    for suite in suites:
        print(dump(suite))
    for level in levels:
        print(safe(f"# {name_of(level['levels'])}" + (f": {level['conflict']}" if level["conflict"] else "")))
        for name in ("config", "evaluation"):
            print("\n".join(block(name, level[name], 0, 2)))
    return 0


# --- what people read ------------------------------------------------------------------------------
def print_plan(plan: Plan, store: Store) -> None:
    out = console()
    head, *rest = plan_lines(plan)
    lines = [plan.suite.question, head, *columns(level_rows(plan), indent="  "), *rest]
    for line in [*lines, f"results: {store.suite(plan.suite.folder).path}"]:
        out.print(safe(line), markup=False)


def plan_lines(plan: Plan) -> list[str]:
    """All but the levels, a line each."""
    counts = Counter(one.state for one in plan.planned)
    states = ", ".join(f"{n} {state}" for state, n in counts.items())
    lines = [f"{plan.suite.folder}: {counted(len(plan.planned), 'cell')}: {states}"]
    lines += [*conflict_lines(plan), *(f"missing: {sentence}" for sentence in (*plan.missing, *plan.weights))]
    if plan.estimate is not None:
        lines += time_lines(plan.suite, plan.estimate)
    return lines + effect_lines(plan)


def level_rows(plan: Plan) -> list[tuple[str, str]]:
    """A row per level, with the states of its seeds."""
    from ganbench.suite.expand import name_of

    levels: dict[str, Counter[str]] = {}
    for one in plan.planned:
        name = "baseline" if one.cell.is_baseline else name_of(one.cell.levels)
        levels.setdefault(name, Counter())[one.state] += 1
    return [(name, ", ".join(f"{n} {state}" for state, n in states.items())) for name, states in levels.items()]


def conflict_lines(plan: Plan) -> list[str]:
    """A line per level that cannot run or does not hold any more."""
    from ganbench.suite.expand import name_of

    said: dict[str, None] = {}
    for one in plan.planned:
        if one.state in ("skipped", "stale", "failed"):
            said[f"{one.state}: {name_of(one.cell.levels)}: {one.reason}"] = None
    return list(said)


def time_lines(suite: Suite, found: Estimate) -> list[str]:
    """How long it takes, a second look, and a word on profiles where that is very long."""
    at_once = f", {found.jobs} at once" if found.jobs > 1 else ""
    lines = [f"time: about {duration(found.seconds)} for {counted(found.cells, 'cell')}{at_once} (from {found.basis})"]
    if found.top_up_cells:
        more = f"{counted(found.top_up_cells, 'cell')}, {duration(found.top_up_seconds)}"
        lines.append(f"top-up: at most {more} more, for what the first look leaves open")
    offered = [name for name in ("cpu", "smoke") if name in suite.profiles and name != suite.profile]
    if found.seconds > LONG and offered and suite.profile not in ("cpu", "smoke"):
        lines.append(f"that is long: --profile {offered[0]} asks the same on a smaller scale")
    return lines


def effect_lines(plan: Plan) -> list[str]:
    """`smallest effect that 5 seeds find ...`"""
    suite = plan.suite
    seeds = f"{counted(len(suite.seeds), 'seed')} (baseline {len(suite.baseline_seeds)})"
    found = [one for one in plan.smallest if one.effect is not None]
    if not found:
        return [f"{seeds}: too few to tell any effect"]

    def unit(value: float) -> str:
        return f"{100 * value:.0f} %" if plan.ratio else f"{value:.2g}"

    def line(one: Smallest) -> str:
        text = f"{unit(one.effect or 0.0)}"
        text += f", {unit(one.topped_up)} after the top-up to {suite.top_up}" if one.topped_up is not None else ""
        needed = counted(one.needed, "seed") if one.needed is not None else "no number of seeds"
        return f"{text}; {needed} a level would show the margin ({unit(suite.margin)})"

    head = f"{seeds}: changes of {suite.primary_metric} below this are invisible"
    if found[0].observed:
        return [f"{head} (finished runs spread by {unit(found[0].spread)}): {line(found[0])}"]
    return [f"{head}:", *(f"  if runs spread by {unit(one.spread)}: {line(one)}" for one in found)]


def as_record(plan: Plan, store: Store) -> dict[str, Any]:
    return {
        "suite": plan.suite.folder,
        "question": plan.suite.question,
        "folder": os.fspath(store.suite(plan.suite.folder).path),
        "counts": dict(Counter(one.state for one in plan.planned)),
        "cells": [
            {"cell": one.cell.id, "levels": one.cell.levels, "seed": one.cell.seed}
            | {"state": one.state, "reason": one.reason}
            for one in plan.planned
        ],
        "missing": [*plan.missing, *plan.weights],
        "estimate": plan.estimate,
        "smallest_effects": plan.smallest,
        "primary_metric": plan.suite.primary_metric,
        "seeds": len(plan.suite.seeds),
        "baseline_seeds": len(plan.suite.baseline_seeds),
    }
