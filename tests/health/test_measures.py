"""Measures against values that are known, and rules at both sides of their thresholds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from ganbench import Batch, Budget, Samples, change
from ganbench.phases import watching
from ganbench.testing import run_steps, tiny_config, tiny_parts, tiny_training
from ganbench.train.health.discriminator import accuracy, chance
from ganbench.train.health.features import chroma, contrast, nearest
from ganbench.train.health.monitor import Monitor
from ganbench.train.health.probe import batch_statistics, measure_images
from ganbench.train.health.reference import measure_reference
from ganbench.train.health.rules import NAMES, RULES, broken_rules, wilson


def photos(n: int, seed: int) -> Any:
    """Smooth colourful images, uint8 n 3 16 16."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.integers(0, 256, (n, 3, 4, 4)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, 16, mode="bilinear").to(torch.uint8)


@pytest.fixture(scope="module")
def reference() -> Any:
    train, held_out = Samples(images=photos(300, 0).numpy()), Samples(images=photos(200, 1).numpy())
    return measure_reference(train, held_out, 64, torch.device("cpu"))


def test_real_images_measure_as_real_ones(reference: Any) -> None:
    values = measure_images(photos(64, 2), reference)
    assert values["diversity"] == pytest.approx(1, abs=0.1) and values["chroma"] == pytest.approx(1, abs=0.1)
    assert values["duplicates"] <= 0.1 and values["copies"] <= 0.1
    assert values["pixel_yield"] == 1.0 and values["manifold"] > 0.8 and values["yield"] > 0.7
    assert broken_rules(values) == {}


def test_each_fault_shows_in_its_measure_and_in_no_other(reference: Any) -> None:
    real = photos(64, 3)
    half = torch.where((torch.arange(64) % 2 == 0).view(-1, 1, 1, 1), real, torch.zeros_like(real))
    grey = real.float().mean(1, keepdim=True).expand(-1, 3, -1, -1).to(torch.uint8)
    copies = photos(300, 0)[:64]
    assert measure_images(real[:1].expand(64, -1, -1, -1), reference)["diversity"] == 0.0
    assert measure_images(real[:8].repeat(8, 1, 1, 1), reference)["duplicates"] == 1.0
    assert measure_images(half, reference)["pixel_yield"] == 0.5
    assert measure_images(grey, reference)["chroma"] < 0.05
    assert measure_images(copies, reference)["copies"] == 1.0  # all 300 are among those that are looked at
    for images, measure in ((grey, "copies"), (copies, "duplicates"), (half, "copies")):
        assert measure_images(images, reference)[measure] <= (0.5 if measure == "duplicates" else 0.1)


def test_data_without_colours_or_held_out_images_are_not_asked_for_them() -> None:
    train = Samples(images=photos(100, 0).numpy()[:, :1])
    values = measure_images(photos(64, 1)[:, :1], measure_reference(train, None, 64, torch.device("cpu")))
    assert "chroma" not in values and "copies" not in values


@pytest.mark.parametrize(
    ("colour", "expected"),
    [((255, 255, 255), 0), ((128, 128, 128), 0), ((255, 0, 0), 104.55), ((0, 255, 0), 119.78), ((0, 0, 255), 133.81)],
)
def test_chroma_is_that_of_cielab(colour: tuple[int, ...], expected: float) -> None:
    image = torch.tensor(colour).view(1, 3, 1, 1).float() / 255
    assert chroma(image.expand(2, 3, 8, 8)) == pytest.approx(expected, abs=0.1)


def test_contrast_is_the_standard_deviation_of_each_image() -> None:
    images = photos(5, 0)
    wanted = (images.double() / 255).std(dim=(2, 3), correction=0).mean(1)
    assert torch.allclose(contrast(images).double(), wanted, atol=1e-5)
    assert contrast(torch.full((1, 3, 8, 8), 200, dtype=torch.uint8)) < 1e-3


def test_nearest_goes_through_all_blocks() -> None:
    points, others = torch.rand(7, 5), torch.rand(2500, 5)
    assert torch.allclose(nearest(points, others), torch.cdist(points, others).amin(1), atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "cost", "logit"),
    [
        ("non_saturating", 2 * math.log(2), 0.0),
        ("saturating", 2 * math.log(2), 0.0),
        ("hinge", 2.0, 0.0),
        ("least_squares", 0.25, 0.5),
        ("wasserstein", 0.0, 0.0),
        ("relativistic_paired", math.log(2), 0.0),
    ],
)
def test_what_a_discriminator_that_cannot_tell_loses(loss: str, cost: float, logit: float) -> None:
    found = chance(tiny_parts(loss=loss).loss)
    assert found.loss == pytest.approx(cost, abs=1e-5) and found.logit == pytest.approx(logit, abs=1e-6)


def test_the_discriminator_is_asked_without_being_changed() -> None:
    training, data = tiny_training(tiny_parts(tiny_config(), tricks=["instance_noise"]))
    run_steps(training, data, 2)
    before = {name: value.clone() for name, value in training.networks.discriminator.state_dict().items()}
    real = data.batch(0)
    white = Batch(images=torch.ones_like(real.images), labels=real.labels)
    discriminator = training.networks.discriminator
    with watching(training, "test"), batch_statistics(discriminator):
        found = accuracy(training, discriminator, real, white, 0.0)
        with_those = discriminator(real.images, real.labels).logits[0]
    assert 0.0 <= found <= 1.0
    after = training.networks.discriminator.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    with watching(training, "test"):
        assert not torch.equal(discriminator(real.images, real.labels).logits[0], with_those)


# --- rules ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.warning} {rule.measure} {rule.threshold}")
def test_a_rule_is_broken_beyond_its_threshold_only(rule: Any) -> None:
    step = 1e-6 if rule.above is not None else -1e-6
    more: dict[str, float] = {}
    if rule.also is not None:
        name, side, threshold = rule.also
        more = {name: threshold + (1e-6 if side == "above" else -1e-6)}
        assert not rule.broken({rule.measure: rule.threshold + step, name: threshold})
        assert not rule.broken({rule.measure: rule.threshold + step})
    assert rule.broken({rule.measure: rule.threshold + step} | more)
    assert not rule.broken({rule.measure: rule.threshold} | more) and not rule.broken(more)
    assert rule.warning in NAMES


def test_wilson_is_that_of_scipy() -> None:
    for k, n in ((0, 10), (3, 10), (64, 64), (100, 256)):
        wanted = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert wilson(k / n, n) == pytest.approx((wanted.low, wanted.high), abs=1e-4)


class Said:
    """A prober that says what it is told."""

    images = 64

    def __init__(self, *diversity: float):
        self.left = list(diversity)

    def look(self, training: Any) -> dict[str, float]:
        found = self.left.pop(0) if self.left else 1.0
        return {"diversity": found, "manifold": 1.0, "yield": 0.9, "pixel_yield": 1.0}


def looks(*diversity: float, steps: int = 400) -> list[tuple[int, list[str]]]:
    training, _ = tiny_training(tiny_parts(change(tiny_config(), training={"budget": Budget(steps=steps)})))
    health = Monitor(prober=Said(*diversity), chance=chance(training.loss))
    seen = []
    for step in range(1, steps + 1):
        training.step = step
        if health.due(training):
            seen.append((step, [one.name for one in health.look(training).warnings]))
    return seen


@pytest.mark.parametrize("log_every", [1, 7, 1000])
def test_gradient_norms_are_those_of_every_hundredth_however_often_lines_are_logged(log_every: int) -> None:
    steps = 1000
    training, _ = tiny_training(tiny_parts(change(tiny_config(), training={"budget": Budget(steps=steps)})))
    health = Monitor(prober=Said(), chance=chance(training.loss))
    for step in range(steps):
        training.step = step
        training.step_progress = training.progress
        training.watch_gradients = (step + 1) % log_every == 0 or health.wants_gradients(training)
        training.gradient_norms = {"D": torch.tensor(float(step))}
        health.collect(training, {})
    assert [int(norm) for norm in health.norms["D"]] == list(range(0, steps, 10))


def test_probes_come_every_twentieth_and_at_the_end() -> None:
    assert [step for step, _ in looks()] == list(range(20, 401, 20))
    assert [step for step, _ in looks(steps=12)] == [5, 10, 12]


def test_two_bad_probes_in_a_row_after_the_warm_up_make_a_warning_and_only_one() -> None:
    bad, good = 0.0, 1.0
    found = {step: names for step, names in looks(bad, bad, bad, good, bad, good, bad, bad, bad, bad) if names}
    assert found == {60: ["low_diversity"]}  # at 40 the first one that counts
    assert not any(names for _, names in looks(good, good, bad, good, bad, good, bad, good))
    assert {step for step, names in looks(*[good] * 5, *[0.3] * 9) if names} == {140}  # below what it was


def test_nothing_is_said_of_the_first_steps_of_a_short_run() -> None:
    assert not any(names for _, names in looks(*[0.0] * 20, steps=30))
