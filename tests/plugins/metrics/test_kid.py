from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch

from ganbench_zoo.metrics.kid import KID

if TYPE_CHECKING:
    from conftest import Oracle, SmallReal


def test_kid_equals_torch_fidelity(oracle: Oracle) -> None:
    score = KID().prepare(oracle.real).measure
    expected = oracle.scores["kernel_inception_distance_mean"]
    assert score(oracle.measured)["kid"] == pytest.approx(expected, rel=1e-6)


def test_closer_sets_score_lower_and_may_fall_below_zero(real: SmallReal, blurry: Callable[..., torch.Tensor]) -> None:
    judge = KID(subsets=20, subset_size=60).prepare(real)
    near = judge.measure(real.measured(blurry(200, 7)))["kid"]
    far = judge.measure(real.measured(blurry(200, 7, brightness=0.8)))["kid"]
    assert abs(near) < far / 5
    whole = KID(subsets=1).prepare(real)  # one subset that is everything: unbiased, so below 0 for the set itself
    assert whole.measure(real.measured(real.images["train"]))["kid"] < 0


def test_floor_stands_beside_the_score(real: SmallReal) -> None:
    judge = KID(subsets=5).prepare(real)
    floor = judge.measure(real.measured(real.images["held_out"][:100]))["kid"]
    assert judge.notes["kid_floor"] == pytest.approx(floor, rel=1e-3, abs=1e-6)
    assert judge.notes["kid_floor_images"] == 100
    assert judge.protocol == {"kid_subsets": 5, "kid_subset_size": 1000}


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match="subset_size >= 2"):
        KID(subset_size=1)
