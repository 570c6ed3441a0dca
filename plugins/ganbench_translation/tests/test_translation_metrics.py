from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from ganbench import (
    ConfigError,
    DataError,
    DatasetInfo,
    EvaluationConfig,
    Features,
    ImageSet,
    Measured,
    PluginSpec,
    Samples,
    plugin,
)
from ganbench_translation.datasets.faces_glasses import FacesGlasses
from ganbench_translation.metrics.cycle_error import CycleError
from ganbench_translation.metrics.translation_accuracy import TranslationAccuracy
from ganbench_translation.metrics.translation_fid import TranslationFID

DATA = FacesGlasses(size=16, train=80, held_out=60)


@dataclass
class FakeReal:
    """The real side without harness: features are mean colours, nothing is cached."""

    folder: Path
    info: DatasetInfo
    splits: dict[str, Samples]
    config: EvaluationConfig = field(default_factory=lambda: EvaluationConfig(images=40, final_images=40))
    dataset = PluginSpec(name="faces_glasses")
    device = torch.device("cpu")
    keys: list = field(default_factory=list)

    def samples(self, split):
        return self.splits[split]

    def features(self, split, count=None):
        return Features(pooled=colours(torch.from_numpy(self.splits[split].images[:count])))

    def digest(self, split):
        return self.splits[split].digest

    def extractor_digest(self):
        return "mean colours"

    def cached(self, key, make):
        self.keys.append(key)
        path = self.folder / str(len(self.keys))
        make(path)
        return path

    def say(self, message):
        pass


def colours(images):
    return images.float().mean((2, 3))


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    splits = {split: DATA.make(split) for split in ("train", "held_out")}
    return FakeReal(tmp_path_factory.mktemp("cache"), DATA.info(), splits)


def measured(samples, *, flipped=False, gallery=None):
    """Images as if they were translations into the domain of their label, or into the other one."""
    labels = {name: torch.from_numpy(value) for name, value in samples.labels.items()}
    if flipped:
        labels["glasses"] = 1 - labels["glasses"]
    images = torch.from_numpy(samples.images)
    views = gallery and {name: ImageSet(images=view, labels=labels) for name, view in gallery.items()}
    return Measured(
        images=ImageSet(images=images, labels=labels), features=Features(pooled=colours(images)), gallery=views
    )


def test_keys_are_what_is_measured(real):
    views = {name: torch.from_numpy(real.samples("held_out").images) for name in ("input", "reconstruction", "cycle")}
    for metric in (TranslationFID(), TranslationAccuracy(), CycleError()):
        assert metric.problem(real.info, real.config) is None
        found = metric.prepare(real).measure(measured(real.samples("held_out"), gallery=views))
        assert sorted(found) == sorted(key.name for key in metric.keys(real.info))


def test_fid_is_that_of_the_metric_fid_between_the_images_of_one_domain(real, tmp_path):
    judge = TranslationFID().prepare(real)
    held_out = real.samples("held_out")
    scores = judge.measure(measured(held_out))
    alone = real.samples("train"), real.samples("held_out")
    for number, domain in enumerate(real.info.domains):
        parts = {}
        for split, whole in zip(("train", "held_out"), alone, strict=True):
            rows = np.flatnonzero(whole.labels["glasses"] == number)
            parts[split] = Samples(images=whole.images[rows])
        only = FakeReal(tmp_path, real.info, parts, config=EvaluationConfig(images=20, final_images=20))
        inner = plugin("metric", "fid").prepare(only)
        wanted = inner.measure(measured(Samples(images=parts["held_out"].images)))["fid"]
        assert scores[f"translation_fid/{domain}"] == pytest.approx(wanted)
        assert judge.notes[f"translation_fid/{domain}_floor"] == pytest.approx(inner.notes["fid_floor"])
    both = [scores[f"translation_fid/{domain}"] for domain in real.info.domains]
    assert scores["translation_fid"] == pytest.approx(float(np.sqrt(both[0] * both[1])))
    assert "translation_fid_floor" in judge.notes


def test_fid_of_images_that_were_not_translated_is_worse(real):
    """Faces with glasses, shown as faces without."""
    judge = TranslationFID().prepare(real)
    held_out = real.samples("held_out")
    marked = held_out.images.copy()
    marked[held_out.labels["glasses"] == 1] //= 2
    real.splits["train"].images[real.splits["train"].labels["glasses"] == 1] //= 2
    try:
        judge = TranslationFID().prepare(real)
        right = judge.measure(measured(Samples(images=marked, labels=held_out.labels)))
        wrong = judge.measure(measured(Samples(images=marked, labels=held_out.labels), flipped=True))
    finally:
        real.splits["train"] = DATA.make("train")
    assert all(wrong[name] > 3 * right[name] for name in right)


def test_each_direction_and_each_metric_has_a_cache_of_its_own(real):
    real.keys.clear()
    TranslationFID().prepare(real)
    TranslationAccuracy().prepare(real)
    assert {key.get("domain") for key in real.keys} == {0, 1, None}
    assert all("fid" in key or "conditional_accuracy" in key for key in real.keys)


def test_the_shipped_evaluator_sees_what_has_changed_and_what_was_kept():
    data = FacesGlasses(size=32, train=4, held_out=200)
    held_out = data.make("held_out")
    real = FakeReal(Path(), data.info(), {"held_out": held_out, "train": held_out})
    real.cached = lambda key, make: pytest.fail("nothing is trained") if "recipe" in key else cached_anew(make)
    judge = TranslationAccuracy().prepare(real)
    assert judge.protocol["evaluator"] == "small (faces)"
    done = judge.measure(measured(held_out))
    idle = judge.measure(measured(held_out, flipped=True))  # what a network that does nothing is measured as
    for name in ("hair", "eyes", "face"):
        assert done[f"translation_accuracy/{name}"] == idle[f"translation_accuracy/{name}"] > 0.97
        assert judge.notes[f"translation_accuracy/{name}_ceiling"] == pytest.approx(
            done[f"translation_accuracy/{name}"]
        )
    for name in ("glasses", "into_with", "into_without"):
        assert done[f"translation_accuracy/{name}"] > 0.97 and idle[f"translation_accuracy/{name}"] < 0.03
    assert done["translation_accuracy"] > 0.97 and idle["translation_accuracy"] == pytest.approx(0.5, abs=0.02)


def cached_anew(make):
    import tempfile

    path = Path(tempfile.mkdtemp()) / "content"
    make(path)
    return path


def test_cycle_error_is_the_mean_difference_as_a_share_of_the_range(real):
    images = torch.full((4, 3, 16, 16), 100, dtype=torch.uint8)
    labels = {name: torch.zeros(4, dtype=torch.int64) for name in real.info.labels}
    labels["glasses"] = torch.tensor([1, 0, 1, 0])  # into "with" comes from "without"
    cycle = images.clone()
    cycle[::2] += 51  # 0.2
    views = {"input": images, "reconstruction": images + 25, "cycle": cycle}
    shown = {name: ImageSet(images=view, labels=labels) for name, view in views.items()}
    seen = Measured(images=ImageSet(images=images, labels=labels), features=None, gallery=shown)
    assert CycleError().prepare(real).measure(seen) == pytest.approx(
        {
            "cycle_error": 0.1,
            "cycle_error/identity": 25 / 255,
            "cycle_error/from_without": 0.2,
            "cycle_error/from_with": 0.0,
        }
    )


def test_data_without_domains_labels_or_galleries_are_refused(real):
    info = plugin("dataset", "faces").info()
    for metric in (TranslationFID(), TranslationAccuracy(), CycleError()):
        assert "this data set has none" in metric.problem(info, real.config)
    with pytest.raises(ConfigError, match="no input of each image"):
        CycleError().prepare(real).measure(measured(real.samples("held_out")))
    bare = Measured(images=ImageSet(images=torch.zeros(2, 3, 16, 16, dtype=torch.uint8)), features=None)
    with pytest.raises(DataError, match="needs the label glasses"):
        TranslationFID().prepare(real).measure(bare)
