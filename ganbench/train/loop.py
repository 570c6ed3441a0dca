"""The training loop: a generator that pauses wherever an evaluation is due. It knows no suite, no disk, no metric."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ganbench.api.config import Json
from ganbench.api.training import Training
from ganbench.device import synchronize
from ganbench.errors import Diverged
from ganbench.train.data import RealImages
from ganbench.train.health import Looked, Monitor, check_networks, check_terms
from ganbench.train.state import State, load_state_dict, state_dict

LIMIT_WITHOUT_PROGRESS = 1000  # steps after which a budget that does not move is an error of the procedure


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A point at which the loop pauses."""

    fraction: float  # share of the budget at which it stands
    window: bool  # whether it counts for the score
    last: bool = False
    fractions: tuple[float, ...] = ()  # of all points that fell on this step, its own among them


@dataclass(kw_only=True)
class Progress:
    """What the loop remembers between two lines of the history; saved with the run."""

    evaluated: int = 0  # evaluation points that are complete
    since_log: int = 0  # steps since the last line of the history
    sums: dict[str, Tensor] = field(default_factory=dict)  # of each loss term since then
    counts: dict[str, int] = field(default_factory=dict)


def schedule(curve: list[float], window: list[float]) -> list[Evaluation]:
    """All evaluation points in order: the curve, then the score window."""
    points = [Evaluation(fraction=f, window=False) for f in curve]
    points += [Evaluation(fraction=f, window=True, last=f == window[-1]) for f in window]
    return points


def together(points: list[Evaluation]) -> Evaluation:
    """Points that fall on one step are evaluated once, as the last of them."""
    last = max(points, key=lambda point: (point.window, point.fraction))
    return replace(last, fractions=tuple(point.fraction for point in points))


def train(
    training: Training,
    data: RealImages,
    points: list[Evaluation],
    progress: Progress,
    *,
    log_every: int,
    log: Callable[[dict[str, Json]], None],
    heartbeat: Callable[[Training], None],
    checkpoint: Callable[[bool], None],
    health: Monitor | None = None,
    looked: Callable[[Looked], None] = lambda _: None,
) -> Iterator[Evaluation]:
    """Train until the budget is used up, yielding at each evaluation point.

    `log` gets one record per log interval, with the mean of every loss term over it. `heartbeat` is called after every
    step and must be cheap; it may raise Interrupted. `checkpoint` is called after every evaluation (with True) and
    every log line (with False: save if it is time to). Several points that fall on one step are evaluated once, as the
    last of them. `health` probes the run every 5 % of training, and `looked` gets what each probe saw; neither changes
    what is trained. Raises NotFinite when a number is not finite.
    """
    stuck_at = (-1.0, 0)
    while True:
        # --- evaluation points that are due ----------------------------------------------------
        now = training.progress
        due = [p for p in points[progress.evaluated :] if now >= p.fraction - 1e-9]
        if due or now >= 1.0:
            wait(training)
        if due:
            check_networks(training.step, training.networks)
            yield together(due)
            progress.evaluated += len(due)
            checkpoint(True)
        if training.progress >= 1.0:
            return

        # --- one step --------------------------------------------------------------------------
        started = time.monotonic()
        training.step_progress = training.progress
        data.step = training.step
        ends_interval = progress.since_log + 1 >= log_every
        training.watch_gradients = ends_interval or (health is not None and health.wants_gradients(training))
        terms = training.procedure.step(training, data)
        training.step += 1
        if ends_interval:
            synchronize(training.device)
        training.seconds += time.monotonic() - started
        if health is not None:
            health.collect(training, terms)
        if not ends_interval:
            training.gradient_norms.clear()  # the history has those of the last step of an interval

        # --- history ---------------------------------------------------------------------------
        # Sums stay on the device: the host waits for them once per interval, and a NaN does not get lost in a sum.
        for name, term in terms.items():
            progress.sums[name] = progress.sums[name] + term if name in progress.sums else term.clone()
            progress.counts[name] = progress.counts.get(name, 0) + 1
        progress.since_log += 1
        if ends_interval or training.progress >= 1.0:
            record = flush(training, progress)
            log(record)
            check_terms(training.step, {name: v for name, v in record.items() if isinstance(v, float) and "/" in name})

        # --- health: before any checkpoint of this step, so that no probe is lost or made twice -----
        if health is not None and health.due(training):
            wait(training)
            looked(health.look(training))
        if ends_interval or training.progress >= 1.0:
            checkpoint(False)
        heartbeat(training)

        # --- a procedure that does not use up its budget would run for ever -----------------------
        if training.used() > stuck_at[0]:
            stuck_at = (training.used(), training.step)
        elif training.step - stuck_at[1] >= LIMIT_WITHOUT_PROGRESS:
            quantity = training.config.training.budget.quantity
            raise Diverged(f"{LIMIT_WITHOUT_PROGRESS} steps used up no {quantity}, of which the budget is made")


def wait(training: Training) -> None:
    """For what the device was given and has not done yet: it is time of training."""
    waiting = time.monotonic()
    synchronize(training.device)
    training.seconds += time.monotonic() - waiting


def flush(training: Training, progress: Progress) -> dict[str, Json]:
    """The record of the log interval that ends now; starts the next one."""
    names = list(progress.sums)
    means = torch.stack([progress.sums[name].float() / progress.counts[name] for name in names]).tolist()
    record: dict[str, Json] = {
        "step": training.step,
        "progress": training.progress,
        "images_seen": training.images_seen,
        "d_updates": training.updates["D"],
        "g_updates": training.updates["G"],
        "seconds": round(training.seconds, 3),
    }
    record |= dict(zip(names, means, strict=True))
    record |= {f"gradient_norm/{phase}": float(norm) for phase, norm in training.gradient_norms.items()}
    training.gradient_norms.clear()
    progress.sums, progress.counts, progress.since_log = {}, {}, 0
    return record


def save(training: Training, progress: Progress, health: Monitor | None = None) -> State:
    """The run and the loop around it, for a checkpoint."""
    loop = {"evaluated": progress.evaluated, "since_log": progress.since_log}
    return {
        "training": state_dict(training),
        "loop": loop | {"sums": progress.sums, "counts": progress.counts},
        "health": health.state_dict() if health is not None else {},
    }


def restore(training: Training, progress: Progress, state: State, health: Monitor | None = None) -> None:
    """The inverse of `save`."""
    load_state_dict(training, state["training"])
    loop = state["loop"]
    progress.evaluated, progress.since_log = loop["evaluated"], loop["since_log"]
    progress.sums = {name: value.to(training.device) for name, value in loop["sums"].items()}
    progress.counts = dict(loop["counts"])
    if health is not None and state.get("health"):  # a checkpoint that was saved without it: start watching here
        health.load_state_dict(state["health"], training.device)
