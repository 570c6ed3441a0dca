"""How long the cells that remain will take, and how small an effect their seeds can show."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, cast

from ganbench import stats
from ganbench.api.cell import Cell, Suite
from ganbench.errors import GanbenchError
from ganbench.suite import base_levels, topped_up
from ganbench.suite.design import count

if TYPE_CHECKING:
    import torch

    from ganbench.api.metric import MetricKey
    from ganbench.assemble import MakeOptimizer
    from ganbench.runner import Planned

START_SECONDS = 6.0  # until a cell's process has imported torch and read its data
TIMED_STEPS = 3
TIMED_SECONDS = 2.0  # no more steps are timed once these are over
TIMED_IMAGES = 50  # for the feature extractor
GUESSED_SPREADS = (0.05, 0.1, 0.2)  # between seeds, where nothing has run yet


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Seconds per unit of work on this machine."""

    training: float  # per image that an update of D or G goes over
    evaluation: float  # per image that is sampled and measured


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Of what remains of a suite."""

    seconds: float  # on this machine, with `jobs` cells at once
    cells: int
    jobs: int
    basis: str  # what it was made of
    top_up_cells: int = 0  # more, at most, if the second look is needed everywhere
    top_up_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Smallest:
    """The smallest effect that the declared seeds find with power 0.8."""

    spread: float  # between seeds, as a share of the score (ratios) or absolute
    effect: float | None  # on the same scale; None with fewer than two seeds
    observed: bool  # whether the spread is that of finished runs
    topped_up: float | None = None  # the smallest effect after the declared top-up
    needed: int | None = None  # seeds per level that find a difference of the size of the margin


# --- time ----------------------------------------------------------------------------------------
def estimate(
    planned: Sequence[Planned], remaining: Sequence[Planned], jobs: int, device: str, more: Sequence[Planned] = ()
) -> Estimate | None:
    """None where nothing remains, or where there is nothing to go by (the data are missing).

    more: the cells of a second look that may become necessary.
    """
    if not remaining:
        return None
    rates, basis = rates_of(planned), ""
    if rates is not None:
        finished = sum(usable(one) for one in planned)
        basis = f"{finished} finished cell{'s' * (finished > 1)}"
    else:
        first = next((one for one in planned if one.cell.is_baseline), remaining[0])
        try:
            rates = timed(first.cell, device)
        except GanbenchError:  # data or weights are missing, which the plan says by itself
            return None
        basis = f"{TIMED_STEPS} steps of the baseline, timed now"
    total = 0.0
    for one in remaining:
        share = one_share(one)
        total += START_SECONDS + share * training_seconds(one.cell, rates) + evaluation_seconds(one, rates)
    top_up = sum(
        START_SECONDS + training_seconds(one.cell, rates) + evaluation_seconds(one, rates)
        for one in more
        if one.state != "skipped"
    )
    top_up_seconds = top_up / max(1, min(jobs, len(more)))
    jobs = max(1, min(jobs, len(remaining)))
    longest = max(training_seconds(one.cell, rates) for one in remaining)
    return Estimate(
        seconds=max(total / jobs, longest),
        cells=len(remaining),
        jobs=jobs,
        basis=basis,
        top_up_cells=sum(one.state != "skipped" for one in more),
        top_up_seconds=top_up_seconds,
    )


def one_share(one: Planned) -> float:
    """How much of the training is left."""
    if one.state == "rescore":
        return 0.0
    progress = (one.folder.read_progress() or {}).get("progress", 0.0) if one.state == "resume" else 0.0
    return 1.0 - min(float(progress or 0.0), 1.0)


def updates(cell: Cell) -> float:
    """Updates of D and G over the whole run; nan where the budget is one of seconds."""
    training = cell.config.training
    per_step = training.d_updates + training.g_updates
    amount = training.budget.amount
    match training.budget.quantity:
        case "steps":
            steps = amount
        case "images":
            steps = amount / (training.batch_size * max(training.d_updates, 1))
        case "d_updates":
            steps = amount / max(training.d_updates, 1)
        case "g_updates":
            steps = amount / max(training.g_updates, 1)
        case "seconds":
            return float("nan")
    return steps * per_step


def training_seconds(cell: Cell, rates: Rates) -> float:
    budget = cell.config.training.budget
    if budget.quantity == "seconds":
        return budget.amount
    return updates(cell) * cell.config.training.batch_size * rates.training


def images_measured(cell: Cell) -> int:
    config = cell.evaluation
    extra = config.final_images if config.final_images != config.images else 0
    return config.images * (config.window + config.curve) + extra


def evaluation_seconds(one: Planned, rates: Rates) -> float:
    return images_measured(one.cell) * rates.evaluation


def usable(one: Planned) -> bool:
    return one.result is not None and one.result.status in ("done", "collapsed") and one.result.seconds > 0


def rates_of(planned: Iterable[Planned]) -> Rates | None:
    """From finished cells, if there are any."""
    training, evaluation = [], []
    for one in planned:
        if one.result is None or not usable(one):
            continue
        work = one.result.updates.get("d", 0) + one.result.updates.get("g", 0)
        if work:
            training.append(one.result.seconds / (work * one.cell.config.training.batch_size))
        evaluation.append(one.result.evaluation_seconds / max(images_measured(one.cell), 1))
    if not training:
        return None
    return Rates(training=median(training), evaluation=median(evaluation))


def timed(cell: Cell, device_name: str) -> Rates:
    """A few steps of a cell, and the feature extractor on a few images, all of them random."""
    from ganbench import device as devices
    from ganbench.train.optimizers import make_optimizer
    from ganbench.train.stand_ins import RoughOptimizer

    device = devices.pick(device_name)
    devices.configure(device, cell.config.training.threads, deterministic=False)
    try:
        step, work = timed_step(cell, device, RoughOptimizer)
    except GanbenchError:
        raise
    except Exception:  # a procedure may look into its optimisers, as `unrolled` does
        step, work = timed_step(cell, device, make_optimizer)
    return Rates(training=step / work, evaluation=step / (4 * work) + extraction(cell, device_name))


def timed_step(cell: Cell, device: torch.device, optimizer: MakeOptimizer) -> tuple[float, float]:
    """Seconds of a step, and the images that its updates go over."""
    from ganbench.assemble import assemble
    from ganbench.train.data import RealImages
    from ganbench.train.stand_ins import random_samples

    training = assemble(cell, device, optimizer)
    info = replace(training.parts.info, counts={"train": cell.config.training.batch_size})
    data = RealImages(
        info,
        random_samples(info),
        training.config,
        seed=training.seed,
        batches_per_step=training.procedure.batches_per_step(training.config),
        device=device,
    )
    clock: list[float] = []
    while len(clock) <= TIMED_STEPS and sum(clock) < TIMED_SECONDS:
        started = time.perf_counter()
        training.step_progress, data.step = training.progress, training.step
        terms = training.procedure.step(training, data)
        [float(term) for term in terms.values()]  # waits for the device
        training.step += 1
        clock.append(time.perf_counter() - started)
    work = (training.updates["D"] + training.updates["G"]) / training.step * cell.config.training.batch_size
    return median(clock[1:] or clock), work  # the first one is slower


def extraction(cell: Cell, device_name: str) -> float:
    """Seconds per image of the feature extractor; 0 where no metric asks for features."""
    import torch

    from ganbench import device as devices, registry
    from ganbench.api.extractor import Extractor
    from ganbench.api.metric import Metric

    metrics = [cast("type[Metric]", registry.plugin_class("metric", spec.name)) for spec in cell.evaluation.metrics]
    if not any(metric.needs_features for metric in metrics):
        return 0.0
    device = devices.pick(device_name)
    extractor = cast(Extractor, registry.make("extractor", cell.evaluation.extractor))
    network = extractor.load(device, cell.evaluation.resize)
    size = cell.evaluation.resize or 64
    images = torch.randint(0, 256, (TIMED_IMAGES, 3, size, size), dtype=torch.uint8).to(device)
    network(images[:2])
    started = time.perf_counter()
    float(network(images).pooled.sum())
    return (time.perf_counter() - started) / TIMED_IMAGES


# --- effects -------------------------------------------------------------------------------------
def smallest(suite: Suite, planned: Sequence[Planned], key: MetricKey | None) -> list[Smallest]:
    """For the spread between seeds that finished runs show; where there are none, for a range of guesses."""
    ratio = key is None or key.scale == "ratio"
    groups: dict[str, list[float]] = {}
    for one in planned:
        if one.result is None or one.result.status != "done":
            continue
        score = one.result.metrics.get(suite.primary_metric)
        if score is not None and (score > 0 or not ratio):
            groups.setdefault(str(sorted(one.cell.levels.items())), []).append(score)
    seen = stats.pooled_sd(groups.values(), ratio)
    spreads = GUESSED_SPREADS if seen is None else (seen,)
    margin = -math.log1p(-suite.margin) if ratio else suite.margin
    base = len(suite.baseline_seeds) / len(suite.seeds)
    level, comparisons = stats.look_level(suite.top_up), comparisons_of(suite)
    return [
        Smallest(
            spread=spread,
            effect=effect_for(suite, spread, ratio),
            observed=seen is not None,
            topped_up=effect_for(topped_up(suite), spread, ratio, level) if suite.top_up is not None else None,
            needed=stats.seeds_needed(spread, margin, alpha=level, comparisons=comparisons, base=base),
        )
        for spread in spreads
    ]


def comparisons_of(suite: Suite) -> int:
    """How many comparisons Holm will count: a grid of several axes has main effects, too."""
    found = count(suite.axes, suite.design)
    if suite.design == "grid" and len(suite.axes) > 1:
        base = base_levels(suite.axes)
        found += sum(len(levels) - (base[axis] in levels) for axis, levels in suite.axes.items())
    return max(found, 1)


def effect_for(suite: Suite, spread: float, ratio: bool, alpha: float | None = None) -> float | None:
    return stats.smallest_effect(
        spread,
        len(suite.seeds),
        len(suite.baseline_seeds),
        alpha=stats.look_level(suite.top_up) if alpha is None else alpha,
        comparisons=comparisons_of(suite),
        ratio=ratio,
    )


def key_of(suite: Suite, cells: Iterable[Cell]) -> MetricKey | None:
    """The primary metric's key; None where the data set, on which it may depend, is missing."""
    from ganbench import registry
    from ganbench.api.metric import Metric
    from ganbench.suite.metrics import dataset_info

    cell = next(iter(cells), None)
    if cell is None:
        return None
    try:
        info = dataset_info(cell.config)
        metrics = [cast(Metric, registry.make("metric", spec)) for spec in cell.evaluation.metrics]
        keys: Mapping[str, MetricKey] = {key.name: key for metric in metrics for key in metric.keys(info)}
    except GanbenchError:
        return None
    return keys.get(suite.primary_metric)
