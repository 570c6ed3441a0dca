"""Where training stops, where it pauses, and what the history says."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch

from ganbench import Budget, EvaluationConfig, change
from ganbench.errors import Diverged
from ganbench.seeds import derive
from ganbench.testing import run_steps, through_file, tiny_config, tiny_parts, tiny_training
from ganbench.train import loop
from ganbench.train.health import check_terms, collapsed
from ganbench.train.loop import Evaluation, Progress, restore, save, schedule, train

NOTHING: list[Evaluation] = []


class Ran:
    """A tiny run through the loop, and all that it said."""

    def __init__(self, budget: Budget, points: list[Evaluation] = NOTHING, *, log_every: int = 3, **training: Any):
        config = change(tiny_config(), training={"budget": budget, **training})
        self.training, self.data = tiny_training(tiny_parts(config))
        self.progress, self.points, self.log_every = Progress(), points, log_every
        self.records: list[dict[str, Any]] = []
        self.paused: list[tuple[int, Evaluation]] = []
        self.saved: list[tuple[int, bool]] = []
        self.stop_at = -1

    def heartbeat(self, training: Any) -> None:
        if training.step == self.stop_at:
            raise KeyboardInterrupt

    def go(self) -> Ran:
        for point in train(
            self.training,
            self.data,
            self.points,
            self.progress,
            log_every=self.log_every,
            log=self.records.append,
            heartbeat=self.heartbeat,
            checkpoint=lambda after: self.saved.append((self.training.step, after)),
        ):
            self.paused.append((self.training.step, point))
        return self


@pytest.mark.parametrize(
    ("budget", "d", "g", "steps"),
    [
        (Budget(steps=7), 1, 1, 7),
        (Budget(steps=3), 5, 1, 3),
        (Budget(images=28), 1, 1, 7),
        (Budget(images=29), 1, 1, 8),  # whole batches
        (Budget(images=60), 5, 1, 3),  # 20 a step
        (Budget(images=28), 1, 2, 7),
        (Budget(d_updates=15), 5, 1, 3),
        (Budget(d_updates=6), 1, 2, 6),
        (Budget(g_updates=6), 5, 1, 6),
        (Budget(g_updates=6), 1, 2, 3),
    ],
)
def test_each_budget_stops_exactly_where_it_is_used_up(budget: Budget, d: int, g: int, steps: int) -> None:
    run = Ran(budget, d_updates=d, g_updates=g).go().training
    assert run.step == steps
    assert run.updates == {"D": steps * d, "G": steps * g} and run.images_seen == steps * d * 4
    assert run.progress == 1.0 and run.used() >= budget.amount


def test_a_budget_of_seconds_stops_when_they_are_over() -> None:
    run = Ran(Budget(seconds=0.2)).go()
    assert run.training.seconds >= 0.2 and run.training.step >= 1
    assert run.records[-1]["step"] == run.training.step


@pytest.mark.parametrize(("window", "curve"), [(10, 3), (5, 0), (1, 1), (7, 4)])
def test_the_window_lies_in_the_last_third_and_ends_at_the_end(window: int, curve: int) -> None:
    config = EvaluationConfig(window=window, curve=curve)
    points = schedule(config.curve_fractions(), config.window_fractions())
    fractions = [point.fraction for point in points]
    assert fractions == sorted(set(fractions)) and fractions[-1] == 1.0
    counted = [point.fraction for point in points if point.window]
    assert len(counted) == window and all(f > 2 / 3 for f in counted)
    assert all(f < 2 / 3 for f in fractions[:curve]) and (curve == 0 or fractions[0] == 0.0)
    assert [point.last for point in points] == [False] * (len(points) - 1) + [True]
    gaps = [b - a for a, b in pairwise([2 / 3, *counted])]
    assert max(gaps) - min(gaps) < 1e-12


def test_evaluations_come_at_the_first_step_that_reaches_them() -> None:
    config = EvaluationConfig(window=5, curve=2)
    run = Ran(Budget(steps=30), schedule(config.curve_fractions(), config.window_fractions())).go()
    assert [step for step, _ in run.paused] == [0, 10, 22, 24, 26, 28, 30]
    assert [point.window for _, point in run.paused] == [False] * 2 + [True] * 5
    assert [step for step, after in run.saved if after] == [0, 10, 22, 24, 26, 28, 30]


def test_points_that_fall_on_one_step_are_evaluated_once_and_remembered() -> None:
    config = EvaluationConfig(window=10, curve=1)
    run = Ran(Budget(steps=3), schedule(config.curve_fractions(), config.window_fractions())).go()
    assert [(step, point.last) for step, point in run.paused] == [(0, False), (3, True)]
    assert run.paused[1][1].fractions == tuple(config.window_fractions())
    assert run.progress.evaluated == 11


def test_the_history_holds_exact_means_and_the_rest_of_an_interval() -> None:
    run = Ran(Budget(steps=7)).go()
    assert [record["step"] for record in run.records] == [3, 6, 7]
    plain, data = tiny_training(tiny_parts(run.training.config))
    terms = [run_steps(plain, data) for _ in range(7)]
    for record, steps in zip(run.records, [terms[:3], terms[3:6], terms[6:]], strict=True):
        for name in ("D/adversarial", "G/adversarial"):
            mean = sum(float(step[name]) for step in steps) / len(steps)
            assert record[name] == pytest.approx(mean, rel=1e-6)
    assert run.records[-1]["images_seen"] == 28 and run.records[-1]["progress"] == 1.0
    norms = [record.get("gradient_norm/D") for record in run.records]
    assert norms[0] > 0 and norms[1] > 0


@pytest.mark.parametrize("at", [1, 2, 3, 4, 6])
def test_an_interval_goes_on_after_a_checkpoint_in_its_middle(at: int) -> None:
    whole = Ran(Budget(steps=8)).go()
    first = Ran(Budget(steps=8))
    first.stop_at = at
    with pytest.raises(KeyboardInterrupt):
        first.go()
    second = Ran(Budget(steps=8))
    restore(second.training, second.progress, through_file(save(first.training, first.progress)))
    second.go()
    records = [{k: v for k, v in r.items() if k != "seconds"} for r in first.records + second.records]
    assert records == [{k: v for k, v in r.items() if k != "seconds"} for r in whole.records]


def test_how_often_is_logged_changes_no_weight() -> None:
    ends = [Ran(Budget(steps=6), log_every=n).go().training.networks.generator.state_dict() for n in (1, 2, 100)]
    assert all(torch.equal(ends[0][name], end[name]) for end in ends for name in end)


def test_progress_is_0_at_the_first_step_and_below_1_at_the_last() -> None:
    run = Ran(Budget(images=20))
    seen: list[float] = []
    inner = run.training.procedure.step

    def step(training: Any, data: Any) -> Any:
        seen.append(training.moment("D", 0).progress)
        return inner(training, data)

    object.__setattr__(run.training.procedure, "step", step)
    run.go()
    assert seen == [0.0, 0.2, 0.4, 0.6, 0.8]


def test_nan_is_named_with_the_step_at_which_it_was_seen() -> None:
    run = Ran(Budget(steps=9))
    inner = run.training.procedure.step

    def step(training: Any, data: Any) -> Any:
        terms = inner(training, data)
        return terms | {"G/adversarial": terms["G/adversarial"] * math.nan} if training.step == 4 else terms

    object.__setattr__(run.training.procedure, "step", step)
    with pytest.raises(Diverged, match=r"^G/adversarial is not finite in the log interval that ends at step 6$"):
        run.go()
    assert [record["step"] for record in run.records] == [3, 6]  # what was seen is on record
    assert all(after for _, after in run.saved) or run.saved == [(3, False)]  # no checkpoint of a lost run


def test_weights_that_are_not_finite_are_not_evaluated() -> None:
    run = Ran(Budget(steps=4), [Evaluation(fraction=0.5, window=True)], log_every=100)
    inner = run.training.procedure.step

    def step(training: Any, data: Any) -> Any:
        terms = inner(training, data)
        with torch.no_grad():
            training.networks.discriminator.logit.weight.view(-1)[0] = math.inf
        return terms

    object.__setattr__(run.training.procedure, "step", step)
    with pytest.raises(Diverged, match=r"^generator\..* is not finite at step 2$"):
        run.go()
    assert run.paused == []


def test_a_procedure_that_does_not_use_up_its_budget_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LIMIT_WITHOUT_PROGRESS", 5)
    run = Ran(Budget(g_updates=100))
    term = {"D/adversarial": torch.tensor(0.0)}
    object.__setattr__(run.training.procedure, "step", lambda training, data: term)
    with pytest.raises(Diverged, match="5 steps used up no g_updates"):
        run.go()


def test_only_what_is_not_finite_diverges() -> None:
    check_terms(1, {"D/a": 1e30, "G/a": -1.0})
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(Diverged, match="G/a"):
            check_terms(1, {"D/a": 0.0, "G/a": bad})


def test_collapse_means_all_of_the_window() -> None:
    assert collapsed([0.01, 0.09]) and not collapsed([0.01, 0.5]) and not collapsed([])


# --- data --------------------------------------------------------------------------------------------------
def real(seed: int = 0, batches: int = 1, batch_size: int = 4) -> Any:
    config = change(tiny_config(), training={"batch_size": batch_size, "d_updates": batches})
    return tiny_training(tiny_parts(config), seed=seed)[1]


def test_a_batch_is_a_pure_function_of_seed_step_and_update() -> None:
    one, other = real(batches=3), real(batches=3)
    moments = [(0, 0), (7, 2), (3, 1), (7, 2), (100, 0), (0, 0)]
    for data, order in ((one, moments), (other, moments[::-1])):
        data.found = {}
        for step, update in order:
            data.step = step
            data.found[step, update] = data.batch(update)
    for at in set(moments):
        assert torch.equal(one.found[at].images, other.found[at].images)
        assert torch.equal(one.found[at].labels["kind"], other.found[at].labels["kind"])
    assert not torch.equal(one.found[0, 0].images, one.found[7, 2].images)
    assert not torch.equal(real(seed=1).batch(0).images, real().batch(0).images)


@pytest.mark.parametrize(("batches", "batch_size"), [(1, 4), (3, 4), (1, 24), (2, 6), (1, 40), (1, 7)])
def test_each_epoch_is_a_permutation_and_no_two_are_alike(batches: int, batch_size: int) -> None:
    data = real(batches=batches, batch_size=batch_size)
    stream: list[int] = []
    for step in range(math.ceil(72 / (batches * batch_size))):
        data.step = step
        for update in range(batches):
            batch = data.batch(update)
            stream += [int(pixel) for pixel in ((batch.images + 1) * 127.5).round().sum((1, 2, 3))]
    epochs = [stream[24 * i : 24 * (i + 1)] for i in range(3)]
    assert len(set(epochs[0])) == 24  # every image has a sum of its own
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_labels_stay_with_their_images() -> None:
    data = real()
    sums = {int(i.astype(int).sum()): k for i, k in zip(raw(), data._labels[""]["kind"].tolist(), strict=True)}
    batch = data.batch(0)
    for image, kind in zip(((batch.images + 1) * 127.5).round(), batch.labels["kind"].tolist(), strict=True):
        assert sums[int(image.sum())] == kind
    assert batch.labels["marks"].dtype == torch.float32 and batch.labels["kind"].dtype == torch.int64


def raw() -> Any:
    from ganbench.testing import tiny_info, tiny_samples

    return tiny_samples(tiny_info())[0].images


def test_balanced_rows_show_each_combination_equally_often() -> None:
    import numpy as np

    from ganbench import Samples
    from ganbench.train.data import balanced

    kind = np.array([0] * 90 + [1] * 9 + [2])
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1)
    flags = (kind[:, None] == 0).astype(np.float32)
    samples = Samples(images=images, labels={"kind": kind, "flags": flags})
    found = balanced(samples, 300, seed=1)
    assert np.bincount(found.labels["kind"]).tolist() == [100, 100, 100]
    assert (kind[found.images.ravel()] == found.labels["kind"]).all()  # rows stay together
    assert (found.labels["flags"].ravel() == (found.labels["kind"] == 0)).all()
    assert len(set(found.images.ravel()[found.labels["kind"] == 0])) > 50  # not one of them a hundred times
    assert (balanced(samples, 300, seed=1).images == found.images).all()
    assert (balanced(samples, 300, seed=2).images != found.images).any()
    unlabelled = replace(samples, labels={})
    assert balanced(unlabelled, 300, seed=1) is unlabelled


def test_streams_are_functions_of_their_names() -> None:
    assert derive(1, "a", 2) == derive(1, "a", 2) == 7207999916064586904
    assert len({derive(1), derive(2), derive(1, "a"), derive(1, "b"), derive(1, "a", 1)}) == 5
    assert all(0 <= derive(i) < 2**63 for i in range(100))
