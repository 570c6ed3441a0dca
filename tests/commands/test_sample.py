"""Interpolations between latents; the images themselves are sampled in tests/end_to_end."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganbench import ConfigError, SamplingInputs
from ganbench.commands.sample import Sampled, between, in_rows, write_rows


def normal(n: int = 5, size: int = 100) -> torch.Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("distribution", ["normal", "uniform", "unit_uniform", "sphere"])
def test_a_row_begins_and_ends_with_its_two_latents(distribution: str) -> None:
    first, last = normal(4), normal(9)[5:]
    rows = between(first, last, 7, distribution)
    assert rows.shape == (4, 7, 100)
    torch.testing.assert_close(rows[:, 0], first)
    torch.testing.assert_close(rows[:, -1], last)


def test_halfway_between_right_angles_by_hand() -> None:
    first, last = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    half = math.sqrt(2)
    torch.testing.assert_close(between(first, last, 3, "sphere")[0, 1], torch.tensor([half, half]))
    torch.testing.assert_close(between(first, last, 3, "uniform")[0, 1], torch.tensor([1.0, 1.0]))


def test_on_a_sphere_all_lie_on_it_in_equal_angles() -> None:
    ends = torch.nn.functional.normalize(normal(2)) * 10
    (row,) = between(ends[:1], ends[1:], 9, "sphere")
    torch.testing.assert_close(row.norm(dim=1), torch.full((9,), 10.0))
    angles = torch.nn.functional.cosine_similarity(row[:-1], row[1:]).acos()
    torch.testing.assert_close(angles, angles.mean().expand(8), rtol=1e-3, atol=0)


def test_normal_latents_keep_their_length_where_the_straight_way_loses_it() -> None:
    first, last = normal(200).chunk(2)
    curved, straight = (between(first, last, 3, kind)[:, 1].norm(dim=1) for kind in ("normal", "uniform"))
    assert float(curved.mean()) == pytest.approx(10, abs=0.2)
    assert float(straight.mean()) == pytest.approx(10 / math.sqrt(2), abs=0.2)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_where_there_is_no_great_circle_the_way_is_straight_and_finite(factor: float) -> None:
    first = normal(3)
    rows = between(first, factor * first, 5, "normal")
    torch.testing.assert_close(rows, between(first, factor * first, 5, "uniform"), atol=1e-2, rtol=1e-2)


def test_a_row_has_the_labels_of_its_first_latent() -> None:
    inputs = SamplingInputs(latents=normal(4), labels={"kind": torch.tensor([5, 6, 7, 8])})
    rows = in_rows(inputs, 3, "normal")
    assert rows.latents is not None and len(rows.latents) == 6
    assert rows.labels["kind"].tolist() == [5, 5, 5, 7, 7, 7]
    torch.testing.assert_close(rows.latents[[0, 2, 3, 5]], normal(4))


def test_a_model_without_latents_is_refused_with_a_sentence() -> None:
    with pytest.raises(ConfigError, match="no latents to go between"):
        in_rows(SamplingInputs(images=torch.zeros(4, 3, 2, 2), labels={}), 3, "normal")


def test_the_picture_has_a_row_per_pair(tmp_path: Path) -> None:
    sampled = Sampled(cell="a", step=1, images=torch.zeros(6, 3, 8, 8, dtype=torch.uint8), labels={})
    (path,) = write_rows(sampled, tmp_path / "new", 3)
    with Image.open(path) as picture:
        assert picture.size == (3 * 10 - 2, 2 * 10 - 2)
