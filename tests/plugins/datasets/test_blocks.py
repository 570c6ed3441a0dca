from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ganbench import ConfigError, Split
from ganbench_zoo.datasets.blocks import COLOURS, NAMES, NONE, SHAPES, Blocks, flags, scenes

DIGESTS = {
    (16, "train"): "9e6fd4ef08ca14ff136985c75b45bfebe88c4646f71dbe8d9687816851a1c537",
    (32, "train"): "e0db3e9e3ba50cdb5aa77139aec258e8729df9c8099bcab16b0108ad5443a4a7",
    (32, "held_out"): "1fa7e131a92a5c1d8d3f9675d400121c2d6810c1fbc95b99bac2fd149e67dc7f",
    (32, "conditions"): "afe39cfd3328011d9df75af9c6be1642b7110e30d7759f1c28888974e1f70ec1",
    (64, "train"): "ff9e5613d281ea08e97596b7ce20ed12c0418ea7ee9f292fdc5eb1ad7f6b4bb2",
    (128, "train"): "9c48c8b8e98ffff3f3a1f64138b32dfae30de5a480b760eb7a149289cde135e2",
}


def few(size: int = 32, count: int = 40, **options: int) -> Blocks:
    return Blocks(size=size, train=count, held_out=count, conditions=count, **options)


def asked(data: Blocks, split: Split) -> list[tuple[int, ...]]:
    return [tuple(np.flatnonzero(row).tolist()) for row in data.make(split).labels["objects"]]


@pytest.mark.parametrize(("size", "split"), DIGESTS)
def test_bits_are_the_pinned_ones(size: int, split: Split) -> None:
    assert few(size).make(split).digest == DIGESTS[size, split]


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_shapes_types_and_range_at_every_size(size: int) -> None:
    data = few(size, count=12)
    samples = data.make("train")
    assert samples.images.shape == (12, *data.info().shape) == (12, 3, size, size)
    assert samples.images.dtype == np.uint8
    assert samples.labels["objects"].shape == (12, 24) and samples.labels["objects"].dtype == np.float32
    assert np.isin(samples.labels["objects"], (0, 1)).all()


def test_classes_are_named_as_in_i_clevr() -> None:
    label = few().info().labels["objects"]
    assert label.kind == "flags" and label.size == 24
    assert label.names[:2] == ("gray cube", "red cube") and label.names[8] == "gray sphere"
    assert set(label.names) == {f"{colour} {shape}" for colour in COLOURS for shape in SHAPES}


def test_an_image_depends_on_its_number_not_on_how_many_there_are() -> None:
    many, several = few(count=70).make("train"), few(count=5).make("train")
    assert np.array_equal(many.images[:5], several.images)
    assert np.array_equal(many.labels["objects"][:5], several.labels["objects"])


def test_splits_and_seeds_give_other_scenes() -> None:
    made = [few().make("train"), few().make("held_out"), few(seed=1).make("train")]
    assert len({image.tobytes() for samples in made for image in samples.images}) == 120


def test_one_two_and_three_objects_are_equally_frequent_and_so_are_classes() -> None:
    labels = few(size=16, count=3000).make("train").labels["objects"]
    counts = np.bincount(labels.sum(1).astype(int), minlength=4)
    assert counts[0] == 0 and np.abs(counts[1:] / 1000 - 1).max() < 0.1
    assert np.abs(labels.sum(0) / labels.sum() * 24 - 1).max() < 0.2


def test_test_conditions_never_occur_in_train_and_held_out() -> None:
    data = few(size=16, count=3000)
    kept, held = (
        {tuple(c for c in row if c != NONE) for table in scenes(held_out) for row in table.tolist()}
        for held_out in (False, True)
    )
    assert not kept & held
    assert kept | held == {row for k in (1, 2, 3) for row in combinations(range(24), k)}
    assert 0.05 < len(held) / (276 + 2024) < 0.075
    assert set(asked(data, "train")) | set(asked(data, "held_out")) <= kept
    assert set(asked(data, "conditions")) == held


def test_conditions_ask_for_two_and_three_objects_in_turn() -> None:
    assert [len(row) for row in asked(few(size=16), "conditions")] == [2, 3] * 20


def test_every_class_stays_in_training_next_to_others() -> None:
    together = {c for row in asked(few(size=16, count=3000), "train") if len(row) > 1 for c in row}
    assert together == set(range(24))


def test_flags_of_scenes() -> None:
    table = flags(np.array([[0, 5, NONE], [23, NONE, NONE]]))
    assert np.flatnonzero(table[0]).tolist() == [0, 5] and np.flatnonzero(table[1]).tolist() == [23]


def test_single_objects_have_the_colour_that_their_label_names() -> None:
    samples = few(size=64, count=400).make("train")
    single = samples.labels["objects"].sum(1) == 1
    for image, label in zip(samples.images[single], samples.labels["objects"][single], strict=True):
        colour = NAMES[int(label.argmax())].split()[0]
        spread = np.ptp(image.astype(int), axis=0)  # the floor is grey
        if colour == "gray":
            assert spread.max() < 40
        else:
            pixels = image[:, spread > 60].astype(int)
            assert pixels.shape[1] > 40  # an object is to be seen
            strongest = pixels.mean(1).argmax()
            expected = {"red": (0,), "brown": (0,), "yellow": (0, 1), "green": (1,), "cyan": (1, 2)}
            assert strongest in expected.get(colour, (2,))


@pytest.mark.parametrize("options", [{"size": 20}, {"held_out": 0}])
def test_impossible_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Blocks(**options)
