from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from ganbench import Features, ImageSet, Measured
from ganbench_zoo.metrics.precision_recall import PrecisionRecall

if TYPE_CHECKING:
    from conftest import Oracle, SmallReal


def measured(points: torch.Tensor) -> Measured:
    images = ImageSet(images=torch.zeros(len(points), 3, 2, 2, dtype=torch.uint8))
    return Measured(images=images, features=Features(pooled=points))


def test_both_equal_torch_fidelity(oracle: Oracle) -> None:
    scores = PrecisionRecall().prepare(oracle.real).measure(oracle.measured)
    assert 0 < scores["precision"] < 1
    assert scores["precision"] == pytest.approx(oracle.scores["precision"], rel=1e-6)
    assert scores["recall"] == pytest.approx(oracle.scores["recall"], rel=1e-6)


def test_equal_sets_score_one(real: SmallReal) -> None:
    scores = PrecisionRecall().prepare(real).measure(real.measured(real.images["train"]))
    assert scores == {"precision": 1.0, "recall": 1.0}


def test_a_generator_of_one_mode_is_precise_and_recalls_little(real: SmallReal) -> None:
    rng = torch.Generator().manual_seed(0)
    modes = torch.randn(250, 2, generator=rng) + 100 * (torch.arange(250) % 2)[:, None]  # two clusters far apart
    real.extractor = lambda images: Features(pooled=modes[: len(images)])
    scores = PrecisionRecall().prepare(real).measure(measured(torch.randn(250, 2, generator=rng)))
    assert scores["precision"] > 0.8 > 0.6 > scores["recall"]


def test_limit_bounds_the_real_and_the_generated_images(real: SmallReal, blurry: Callable[..., torch.Tensor]) -> None:
    some, more = blurry(60, 3), torch.cat([blurry(60, 3), blurry(60, 4, brightness=0.3)])
    limited = PrecisionRecall(limit=60).prepare(real)
    assert limited.measure(real.measured(some)) == limited.measure(real.measured(more))
    assert PrecisionRecall().prepare(real).measure(real.measured(more)) != limited.measure(real.measured(more))


def test_ceiling_of_both_stands_beside_the_scores(real: SmallReal) -> None:
    notes = PrecisionRecall().prepare(real).notes
    assert 0 < notes["precision_ceiling"] <= 1
    assert 0 < notes["recall_ceiling"] <= 1
    assert notes["recall_ceiling_images"] == 100


def test_as_many_images_as_neighbours_are_a_problem(real: SmallReal) -> None:
    assert "needs at least 4 images" in str(PrecisionRecall().problem(real.info, replace(real.config, images=3)))
    with pytest.raises(ValueError, match="limit > neighbours"):
        PrecisionRecall(limit=3)
