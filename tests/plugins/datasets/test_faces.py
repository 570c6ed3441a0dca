from __future__ import annotations

from itertools import product
from typing import get_args

import numpy as np
import pytest
from pydantic import TypeAdapter

from ganbench import ConfigError, Split
from ganbench_zoo.datasets.faces import LABELS, Faces

# sha256 over pixels and labels of the first images: equal on every machine, or published numbers would not compare.
DIGESTS = {
    (16, "train"): "dd74aeb74a951aef6c83eb0d89cde724181d63ae381cf618fb772f0d749fb69b",
    (32, "train"): "cddd691b1ccd2cd3d8b3d2190d223bf2aa55468fa160de4b733f77433d1b3ce6",
    (32, "held_out"): "e8d08e1f7d80f345fe576f69975e34980a6711a4e161a943ce392f1f40a6dd9b",
    (32, "conditions"): "2f3f2c14ced3b5383520b40dac6bb7ab59397629633843a124d91f5ee7e20c2a",
    (64, "train"): "10e33ae5aaf4a49c5b02ecc157280307373666b349b418bb05f2543b465123d7",
    (128, "train"): "1263efbbf87cc13380103a4858699f03cae1a80f368baf1431ca0a32ca95c371",
}


def few(size: int = 32, count: int = 40, **options: int) -> Faces:
    return Faces(size=size, train=count, held_out=count, conditions=count, **options)


def rows(data: Faces, split: Split) -> set[tuple[int, ...]]:
    labels = data.make(split).labels
    return set(zip(*(labels[name].tolist() for name in LABELS), strict=True))


@pytest.mark.parametrize(("size", "split"), DIGESTS)
def test_bits_are_the_pinned_ones(size: int, split: Split) -> None:
    assert few(size).make(split).digest == DIGESTS[size, split]


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_shapes_types_and_range_at_every_size(size: int) -> None:
    data = few(size, count=12)
    samples = data.make("train")
    assert samples.images.shape == (12, *data.info().shape) == (12, 3, size, size)
    assert samples.images.dtype == np.uint8
    assert samples.images.min() < 60 and samples.images.max() > 220
    assert all(samples.labels[name].dtype == np.int64 and samples.labels[name].shape == (12,) for name in LABELS)


def test_an_image_depends_on_its_number_not_on_how_many_there_are() -> None:
    # 70 images take several chunks at 32 pixels, and 5 end inside the first one.
    many, several = few(count=70).make("train"), few(count=5).make("train")
    assert np.array_equal(many.images[:5], several.images)
    assert all(np.array_equal(many.labels[name][:5], several.labels[name]) for name in LABELS)


def test_splits_and_seeds_give_other_faces() -> None:
    images = [few().make("train"), few().make("held_out"), few(seed=1).make("train")]
    assert len({samples.digest for samples in images}) == 3
    assert len({image.tobytes() for samples in images for image in samples.images}) == 120  # no face twice


def test_labels_do_not_depend_on_size() -> None:
    assert all(np.array_equal(few(16).make("train").labels[n], few(64).make("train").labels[n]) for n in LABELS)


def test_test_conditions_never_occur_in_train_and_held_out() -> None:
    data = few(size=16, count=2400)
    train, held_out, conditions = (rows(data, split) for split in get_args(Split))
    assert len(conditions) == 24
    assert train == held_out == set(product(*(range(label.size) for label in LABELS.values()))) - conditions


def test_each_value_is_as_frequent_as_the_others() -> None:
    labels = few(size=16, count=2400).make("train").labels
    for name, info in LABELS.items():
        share = np.bincount(labels[name], minlength=info.size) / 2400 * info.size
        assert np.abs(share - 1).max() < 0.15


def test_conditions_ask_for_each_combination_equally_often() -> None:
    labels = few(size=16, count=48).make("conditions").labels
    _, counts = np.unique(np.stack([labels[name] for name in LABELS]), axis=1, return_counts=True)
    assert counts.tolist() == [2] * 24
    for name, info in LABELS.items():
        assert np.bincount(labels[name]).tolist() == [48 // info.size] * info.size


def test_hair_has_the_colour_that_its_label_names() -> None:
    samples = few(count=300).make("train")
    # The brightest and darkest hair: mean over the upper middle of the head.
    crown = samples.images[:, :, 6:9, 13:19].mean((2, 3))
    of = {name: crown[samples.labels["hair"] == i].mean(0) for i, name in enumerate(LABELS["hair"].names)}
    red, green, blue = of["blue"]
    assert blue > red + 60 and blue > green + 40
    assert of["black"].max() < 90 and of["blond"][:2].min() > 180 > of["blond"][2]
    assert of["red"][0] > of["red"][1] + 90
    assert np.ptp(of["gray"]) < 25


def test_glasses_darken_the_eyes() -> None:
    samples = few(count=300).make("train")
    around = samples.images[:, :, 13:20, 8:24].mean((1, 2, 3))
    glasses = samples.labels["glasses"] == 1
    assert around[glasses].mean() < around[~glasses].mean() - 8


@pytest.mark.parametrize("options", [{"size": 20}, {"size": 256}, {"train": 0}, {"conditions": -1}])
def test_impossible_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Faces(**options)


def test_options_load_from_json() -> None:
    assert TypeAdapter(Faces).validate_json('{"size": 64, "train": 10}', strict=True) == Faces(size=64, train=10)
