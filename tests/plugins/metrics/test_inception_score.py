from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from ganbench import ConfigError, Features, ImageSet, Measured
from ganbench_zoo.metrics.inception_score import InceptionScore

if TYPE_CHECKING:
    from conftest import Oracle, SmallReal


def test_score_and_its_deviation_equal_torch_fidelity(oracle: Oracle) -> None:
    scores = InceptionScore().prepare(oracle.real).measure(oracle.measured)
    assert scores["inception_score"] == pytest.approx(oracle.scores["inception_score_mean"], rel=1e-6)
    assert scores["inception_score_std"] == pytest.approx(oracle.scores["inception_score_std"], rel=1e-6)


@pytest.mark.parametrize(("classes", "expected"), [(1, 1.0), (4, 4.0)])
def test_certain_and_balanced_logits_score_the_number_of_classes(
    real: SmallReal, classes: int, expected: float
) -> None:
    logits = torch.full((400, 10), -50.0)
    logits[torch.arange(400), torch.arange(400) % classes] = 50.0
    images = ImageSet(images=torch.zeros(400, 3, 2, 2, dtype=torch.uint8))
    measured = Measured(images=images, features=Features(pooled=logits, logits=logits))
    scores = InceptionScore(splits=1).prepare(real).measure(measured)
    assert scores["inception_score"] == pytest.approx(expected)
    assert set(scores) == {key.name for key in InceptionScore().keys(real.info)}


def test_ceiling_is_the_score_of_held_out_images(real: SmallReal) -> None:
    judge = InceptionScore().prepare(real)
    expected = judge.measure(real.measured(real.images["held_out"][:100]))["inception_score"]
    assert judge.notes["inception_score_ceiling"] == pytest.approx(expected)
    assert judge.notes["inception_score_ceiling_images"] == 100


def test_extractor_without_logits_is_refused_before_any_training(real: SmallReal) -> None:
    features = real.extractor
    real.extractor = lambda images: Features(pooled=features(images).pooled)
    with pytest.raises(ConfigError, match="efficientnet_lite0 is no classifier"):
        InceptionScore().prepare(real)


def test_too_few_images_for_the_splits_are_a_problem(real: SmallReal) -> None:
    problem = InceptionScore().problem(real.info, replace(real.config, images=19))
    assert problem == "inception_score needs at least 20 images, and evaluation.images is 19."
    assert InceptionScore().problem(real.info, replace(real.config, images=20)) is None
