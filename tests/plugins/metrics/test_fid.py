from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from ganbench_zoo.metrics.fid import FID
from ganbench_zoo.metrics.fidelity import Gaussian, frechet_distance, gaussian

if TYPE_CHECKING:
    from conftest import Oracle, SmallReal


def test_distance_of_two_gaussians_is_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((4000, 3))
    samples = (samples - samples.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(samples.T))).T  # exactly N(0, I)
    means, scales = np.array([1.0, -2.0, 0.5]), np.array([2.0, 1.0, 0.25])
    one, two = torch.tensor(samples, dtype=torch.float32), torch.tensor(samples * scales + means, dtype=torch.float32)
    expected = (means**2).sum() + ((scales - 1) ** 2).sum()  # for commuting covariances
    assert frechet_distance(gaussian(one), two) == pytest.approx(expected, rel=1e-5)


def test_distance_holds_for_covariances_that_do_not_commute() -> None:
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(1)
    one, two = (rng.standard_normal((500, 4)) @ rng.standard_normal((4, 4)) for _ in range(2))
    first, second = np.cov(one.T), np.cov(two.T)
    root = sqrtm(first @ second).real
    expected = np.square(one.mean(0) - two.mean(0)).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(gaussian(torch.tensor(one)), torch.tensor(two)) == pytest.approx(expected, rel=1e-8)


def test_fid_equals_torch_fidelity_with_and_without_the_cache(oracle: Oracle) -> None:
    expected = oracle.scores["frechet_inception_distance"]
    made = oracle.real.made
    first = FID().prepare(oracle.real).measure(oracle.measured)
    assert oracle.real.made == made + 2  # the reference, and the floor of its halves
    again = FID().prepare(oracle.real).measure(oracle.measured)
    assert oracle.real.made == made + 2  # they came from the cache
    assert first == again
    assert first["fid"] == pytest.approx(expected, rel=1e-6)


def test_equal_sets_score_best_and_stay_positive(real: SmallReal, blurry: Callable[..., torch.Tensor]) -> None:
    judge = FID().prepare(real)
    same = judge.measure(real.measured(real.images["train"]))["fid"]
    other = judge.measure(real.measured(blurry(250, 5)))["fid"]
    darker = judge.measure(real.measured(blurry(250, 5, brightness=0.8)))["fid"]
    assert 0 < same < 1e-4 < other < darker


def test_floor_is_the_score_of_held_out_images_at_the_evaluations_numbers(real: SmallReal) -> None:
    judge = FID().prepare(real)
    floor = judge.measure(real.measured(real.images["held_out"][:100]))["fid"]
    assert judge.notes["fid_floor"] == pytest.approx(floor, rel=1e-5)
    assert judge.notes["fid_floor_images"] == 100
    assert judge.notes["fid_last_floor_images"] == 120  # 150 are wanted, and so many there are
    assert judge.notes["fid_last_floor"] < judge.notes["fid_floor"]
    assert judge.notes["fid_floor_halves"] > judge.notes["fid_floor"] / 3  # the halves of what is alike are alike
    assert judge.notes["fid_floor_halves_images"] <= 100


def test_without_held_out_images_the_floor_is_that_of_two_halves(real: SmallReal) -> None:
    del real.images["held_out"]
    assert FID().prepare(real).notes.keys() == {"fid_floor_halves", "fid_floor_halves_images"}


def test_reference_can_be_part_of_the_held_out_split(real_with: Callable[..., SmallReal]) -> None:
    real = real_with(reference="held_out", reference_images=80)
    judge = FID().prepare(real)
    assert judge.measure(real.measured(real.images["held_out"][:80]))["fid"] < 1e-4
    assert judge.notes["fid_last_floor_images"] == 150  # of the training split


def test_cache_keys_tell_data_extractor_and_numbers_apart(
    real_with: Callable[..., SmallReal], blurry: Callable[..., torch.Tensor]
) -> None:
    def keys(real: SmallReal) -> set[str]:
        FID().prepare(real)
        return {str(sorted(key.items())) for key in real.keys}

    base = real_with()
    seen = keys(base)
    changes = [
        real_with(reference_images=200),
        real_with(resize=32),
        replace(base, keys=[], images={**base.images, "train": blurry(250, 9)}),
    ]
    other = replace(base, keys=[])
    other.extractor_digest = lambda: "other"  # type: ignore[method-assign]
    for real in [*changes, other]:
        assert not seen & keys(real)


def test_statistics_survive_the_file_exactly(tmp_path: Path) -> None:
    made = gaussian(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)))
    made.save(tmp_path / "file")
    read = Gaussian.load(tmp_path / "file")
    assert np.array_equal(made.mean, read.mean) and np.array_equal(made.root, read.root) and made.trace == read.trace


def test_problem_names_the_field_with_too_few_images(real: SmallReal) -> None:
    assert FID().problem(real.info, real.config) is None
    assert "evaluation.images is 1" in str(FID().problem(real.info, replace(real.config, images=1)))
    too_many = replace(real.config, reference_images=1000)
    assert "the split train has 250 images" in str(FID().problem(real.info, too_many))
