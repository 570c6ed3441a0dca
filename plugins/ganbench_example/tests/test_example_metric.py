"""Density and coverage on points that one can see, and by their definition."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import pytest
import torch

from ganbench import DatasetInfo, EvaluationConfig, Features, ImageSet, Measured
from ganbench.testing import check_options
from ganbench_example.density_coverage import DensityCoverage

INFO = DatasetInfo(shape=(3, 8, 8), counts={"train": 40, "held_out": 20})


@pytest.fixture
def real(tmp_path):
    """Stands for the harness's real side: 40 points to refer to and 20 held-out ones, all normal."""
    rng = torch.Generator().manual_seed(0)
    points = {"train": torch.randn(40, 6, generator=rng), "held_out": torch.randn(20, 6, generator=rng)}
    made = []

    def cached(key, make):
        path = tmp_path / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        if not path.exists():
            made.append(key)
            make(path)
        return path

    return SimpleNamespace(
        info=INFO,
        config=EvaluationConfig(images=15),
        points=points,
        made=made,
        cached=cached,
        features=lambda split, count=None: Features(pooled=points[split][:count]),
        digest=lambda split: split,
        extractor_digest=lambda: "points",
    )


def measured(points):
    images = ImageSet(images=torch.zeros(len(points), 3, 8, 8, dtype=torch.uint8))
    return Measured(images=images, features=Features(pooled=points))


def test_the_real_images_themselves_are_covered(real):
    scores = DensityCoverage().prepare(real).measure(measured(real.points["train"]))
    # Each ball holds its own point and the k nearest, the last one on its border.
    assert scores == {"density": pytest.approx(6 / 5), "coverage": 1.0}


def test_both_are_as_defined(real):
    fakes = torch.randn(25, 6, generator=torch.Generator().manual_seed(1))
    scores = DensityCoverage(neighbours=3).prepare(real).measure(measured(fakes))
    points = real.points["train"].double()
    inside = []
    for point in points:
        reach = sorted(float((point - other).norm()) for other in points)[3]
        inside.append([float((point - fake).norm()) <= reach for fake in fakes.double()])
    assert scores["density"] == pytest.approx(sum(map(sum, inside)) / (3 * 25))
    assert scores["coverage"] == pytest.approx(sum(map(any, inside)) / 40)
    assert 0 < scores["coverage"] < 1


def test_one_good_image_repeated_is_dense_and_covers_little(real):
    centre = real.points["train"].mean(0, keepdim=True)
    scores = DensityCoverage().prepare(real).measure(measured(centre.expand(30, 6)))
    far = DensityCoverage().prepare(real).measure(measured(centre.expand(30, 6) + 100))
    assert scores["density"] > 1
    assert far == {"density": 0.0, "coverage": 0.0}


def test_the_limit_bounds_both_sides(real):
    metric, fakes = DensityCoverage(neighbours=2, limit=10), torch.randn(30, 6)
    judge = metric.prepare(real)
    assert judge.measure(measured(fakes)) == judge.measure(measured(fakes[:10]))


def test_what_is_slow_is_done_once_for_each_set_of_options(real):
    DensityCoverage().prepare(real)
    DensityCoverage().prepare(real)
    assert len(real.made) == 1
    DensityCoverage(neighbours=4).prepare(real)
    assert len(real.made) == 2


def test_ceilings_are_those_of_as_many_held_out_images(real):
    judge = DensityCoverage().prepare(real)
    expected = judge.measure(measured(real.points["held_out"][:15]))
    assert {name: judge.notes[f"{name}_ceiling"] for name in expected} == expected
    assert judge.notes["coverage_ceiling_images"] == 15
    assert set(judge.protocol) == {"density_coverage_neighbours", "density_coverage_limit"}


def test_it_declares_what_it_gives_and_says_what_it_needs(real):
    metric = DensityCoverage()
    check_options(metric)
    names = [key.name for key in metric.keys(INFO)]
    assert names == list(metric.prepare(real).measure(measured(torch.zeros(6, 6))))
    assert metric.problem(INFO, EvaluationConfig()) is None
    assert "more than 5 real images; there are 5" in metric.problem(INFO, EvaluationConfig(reference_images=5))
    with pytest.raises(ValueError, match="limit > neighbours"):
        DensityCoverage(limit=5)
