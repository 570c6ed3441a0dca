from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet18 as torchvision_resnet18

from ganbench import (
    ConfigError,
    DataError,
    Dataset,
    DatasetInfo,
    EvaluationConfig,
    ImageSet,
    Json,
    LabelInfo,
    Measured,
    PluginSpec,
    Samples,
    Split,
)
from ganbench_zoo.datasets.blocks import Blocks
from ganbench_zoo.datasets.faces import Faces
from ganbench_zoo.evaluators import resnet18, small
from ganbench_zoo.evaluators.scoring import accuracy, as_json, confusion
from ganbench_zoo.metrics.conditional_accuracy import ConditionalAccuracy

CLASS = LabelInfo(kind="class", size=3, names=("a", "b", "c"))
FLAGS = LabelInfo(kind="flags", size=4, names=("w", "x", "y", "z"))


@dataclass(kw_only=True)
class FakeReal:
    """Implements `ganbench.Real` around a data set, with a cache that tells what was made."""

    plugin: Dataset
    folder: Path
    name: str = "mine"
    config: EvaluationConfig = EvaluationConfig()
    device: torch.device = torch.device("cpu")
    made: list[str] = field(default_factory=list)
    splits: dict[Split, Samples] = field(default_factory=dict)

    @property
    def info(self) -> DatasetInfo:
        return self.plugin.info()

    @property
    def dataset(self) -> PluginSpec:
        return PluginSpec(name=self.name)

    def samples(self, split: Split) -> Samples:
        if split not in self.splits:
            self.splits[split] = self.plugin.make(split)
        return self.splits[split]

    def digest(self, split: Split) -> str:
        return self.samples(split).digest

    def cached(self, key: dict[str, Json], make: Callable[[Path], None]) -> Path:
        path = self.folder / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        if not path.exists():
            self.made.append(str(key["file"]))
            make(path)
        return path

    def say(self, message: str) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class Stripes(Dataset):
    """Grey images whose brightness is their class: no test conditions, one channel, and a label nobody can see."""

    def info(self) -> DatasetInfo:
        labels = {"light": LabelInfo(kind="class", size=2), "price": LabelInfo(kind="value", size=1)}
        return DatasetInfo(shape=(1, 16, 16), counts={"train": 64, "held_out": 8}, labels=labels)

    def make(self, split: Split) -> Samples:
        rng = np.random.default_rng(len(split))
        light = rng.integers(0, 2, self.info().counts[split])
        noise = rng.integers(0, 60, (len(light), 1, 16, 16))
        images = (light[:, None, None, None] * 180 + noise).astype(np.uint8)
        return Samples(images=images, labels={"light": light, "price": np.zeros((len(light), 1), np.float32)})


def measured(samples: Samples) -> Measured:
    labels = {name: torch.from_numpy(value) for name, value in samples.labels.items()}
    return Measured(images=ImageSet(images=torch.from_numpy(samples.images), labels=labels), features=None)


# --- scoring ---------------------------------------------------------------------------------------------------------
def test_class_labels_are_judged_by_the_largest_logit() -> None:
    logits = torch.tensor([[2.0, 1, 0], [0, 3, 1], [0, 5, 1], [-3, -2, -1]])
    table = confusion(CLASS, logits, torch.tensor([0, 1, 2, 2]))
    assert table.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert accuracy(table) == 0.75


def test_flags_are_judged_by_as_many_largest_logits_as_there_are_flags() -> None:
    logits = torch.tensor([[9.0, 8, 7, 6], [9, 8, 7, 6], [-9, -8, -7, -6], [1, 4, 2, 3]])
    truth = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 0]])
    table = confusion(FLAGS, logits, truth)
    # Right: w | x | y, z | x, y. Missed: z, seen as w; w, seen as z.
    assert table.tolist() == [[1, 0, 0, 1], [0, 2, 0, 0], [0, 0, 2, 0], [1, 0, 0, 1]]
    assert accuracy(table) == 6 / 8
    assert table.sum(1).tolist() == truth.sum(0).tolist()


def test_several_missed_flags_share_the_wrongly_seen_ones() -> None:
    table = confusion(FLAGS, torch.tensor([[4.0, 3, 2, 1]]), torch.tensor([[0.0, 0, 1, 1]]))
    assert table.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]]


def test_ties_between_flags_go_to_the_first() -> None:
    table = confusion(FLAGS, torch.zeros(1, 4), torch.tensor([[0.0, 1, 0, 0]]))
    assert table[1].tolist() == [1, 0, 0, 0]


def test_tables_name_their_classes_and_leave_out_those_never_asked_for() -> None:
    table = as_json(CLASS, confusion(CLASS, torch.eye(3)[:2], torch.tensor([0, 0])))
    assert table["per_class_accuracy"] == {"a": 0.5}
    assert table["names"] == ["a", "b", "c"] and table["confusion"] == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    json.dumps(table, allow_nan=False)


# --- the evaluators that ship ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize(("name", "plugin"), [("faces", Faces), ("blocks", Blocks)])
def test_shipped_evaluators_are_right_about_real_images(
    name: str, plugin: type[Faces] | type[Blocks], size: int, tmp_path: Path
) -> None:
    real = FakeReal(plugin=plugin(size=size, held_out=500, conditions=120), folder=tmp_path, name=name)
    judge = ConditionalAccuracy().prepare(real)
    keys = [key.name for key in ConditionalAccuracy().keys(real.info)]
    assert set(judge.notes) == {f"{key}_{word}" for key in keys for word in ("ceiling", "ceiling_on_conditions")}
    assert all(value > 0.99 for value in judge.notes.values())
    assert judge.protocol["evaluator_sha256"] == small.SHA256[name]
    assert small.path_of(name).stat().st_size < 400_000


def test_scores_are_declared_and_wrong_labels_score_at_chance(tmp_path: Path) -> None:
    real = FakeReal(plugin=Faces(held_out=200, conditions=24), folder=tmp_path, name="faces")
    metric = ConditionalAccuracy()
    judge = metric.prepare(real)
    samples = real.samples("held_out")
    scores = judge.measure(measured(samples))
    assert list(scores) == [key.name for key in metric.keys(real.info)]
    assert scores["conditional_accuracy"] == pytest.approx(sum(list(scores.values())[1:]) / 4)
    shifted = replace(samples, labels={name: np.roll(value, 1) for name, value in samples.labels.items()})
    assert judge.measure(measured(shifted))["conditional_accuracy/hair"] < 0.3
    assert judge.tables is not None
    tables = judge.tables(measured(samples))
    assert set(tables) == {"hair", "eyes", "face", "glasses"}
    json.dumps(tables, allow_nan=False)


def test_ceilings_are_measured_once(tmp_path: Path) -> None:
    real = FakeReal(plugin=Faces(size=16, held_out=20, conditions=24), folder=tmp_path, name="faces")
    first, again = ConditionalAccuracy().prepare(real), ConditionalAccuracy().prepare(real)
    assert real.made == ["ceiling.json", "ceiling.json"]  # held out, and test conditions
    assert first.notes == again.notes


def test_conditions_without_images_have_no_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Faces.info
    monkeypatch.setattr(Faces, "info", lambda self: replace(usual(self), without_images=("conditions",)))
    real = FakeReal(plugin=Faces(size=16, held_out=20, conditions=24), folder=tmp_path, name="faces")
    notes = ConditionalAccuracy().prepare(real).notes
    assert real.made == ["ceiling.json"] and not any("conditions" in name for name in notes)


def test_a_changed_weights_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faces.safetensors").write_bytes(small.path_of("faces").read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(small, "_FOLDER", tmp_path)
    with pytest.raises(DataError, match="is not the pinned"):
        small.shipped("faces")


def test_the_small_evaluator_is_for_its_own_data_sets_only(tmp_path: Path) -> None:
    real = FakeReal(plugin=Stripes(), folder=tmp_path)
    with pytest.raises(ConfigError, match="no small evaluator ships for mine"):
        ConditionalAccuracy(evaluator="small").prepare(real)


# --- ResNet-18 -------------------------------------------------------------------------------------------------------
def test_a_resnet18_is_trained_once_and_gives_the_same_weights_again(tmp_path: Path) -> None:
    metric = ConditionalAccuracy(epochs=1)
    folders = [tmp_path / name for name in "ab"]
    judges = []
    for folder in folders:
        folder.mkdir()
        torch.manual_seed(len(judges))  # the global generator must not matter
        real = FakeReal(plugin=Stripes(), folder=folder)
        judges.append(metric.prepare(real))
        assert real.made == ["evaluator.safetensors", "ceiling.json"]  # Stripes has no test conditions
        metric.prepare(real)
        assert len(real.made) == 2
    assert judges[0].protocol == judges[1].protocol
    assert set(judges[0].notes) == {"conditional_accuracy_ceiling", "conditional_accuracy/light_ceiling"}


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    schedule = resnet18.Schedule(epochs=1, lr=1e-3, augment=True)
    labels = {"light": Stripes().info().labels["light"]}
    resnet18.train(Stripes().make("held_out"), labels, schedule, torch.device("cpu"), lambda message: None)
    assert torch.equal(torch.rand(2), expected)


def r3_network() -> nn.Module:
    torch.manual_seed(0)
    network = torchvision_resnet18(weights=None)
    network.fc = nn.Sequential(nn.Linear(512, 24), nn.Sigmoid())
    return network.eval()


def test_the_file_of_report_r3_gives_the_outputs_of_its_network(tmp_path: Path) -> None:
    network = r3_network()
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": network.state_dict()}, path)
    data = Blocks(size=64, held_out=4, conditions=4)
    images = torch.from_numpy(data.make("held_out").images)
    with torch.no_grad():
        expected = network(images.float() / 127.5 - 1)
    ours = resnet18.from_file(path, data.info().labels).predict(images)["objects"].sigmoid()
    assert torch.allclose(ours, expected, atol=1e-5)
    real = FakeReal(plugin=data, folder=tmp_path, name="blocks")
    judge = ConditionalAccuracy(checkpoint=str(path)).prepare(real)
    assert judge.protocol["evaluator_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert real.made == ["ceiling.json", "ceiling.json"]  # nothing is trained


def test_a_trained_evaluator_can_be_given_as_checkpoint(tmp_path: Path) -> None:
    real = FakeReal(plugin=Stripes(), folder=tmp_path)
    trained = ConditionalAccuracy(epochs=1).prepare(real)
    (path,) = (file for file in tmp_path.iterdir() if file.stat().st_size > 1e6)
    given = ConditionalAccuracy(checkpoint=str(path)).prepare(real)
    assert given.protocol["evaluator_sha256"] == trained.protocol["evaluator_sha256"]
    with pytest.raises(DataError, match="judges light"):
        resnet18.from_file(path, Blocks().info().labels)


class NotAllowed:
    """An object that `weights_only=True` must not rebuild."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a file of torch", "refuses it"),
        ({"model": NotAllowed()}, "refuses it"),
        ({"weights": {}}, "no state_dict"),
        ({"model": {"fc.0.weight": torch.zeros(24, 100)}}, "fc.0.weight"),
        ({"model": {"fc.0.weight": torch.zeros(10, 512)}}, "judges one label of 10 flags"),
        ({"model": {"fc.0.weight": torch.zeros(24, 512)}}, "do not fit"),
    ],
)
def test_other_files_are_refused_with_a_reason(content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(DataError, match=message):
        resnet18.from_file(path, Blocks().info().labels)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such evaluator file"):
        resnet18.from_file(tmp_path / "nothing.pth", Blocks().info().labels)


# --- options ---------------------------------------------------------------------------------------------------------
def test_data_without_labels_to_see_is_a_problem() -> None:
    info = replace(Stripes().info(), labels={"price": LabelInfo(kind="value", size=1)})
    assert "class or flags" in (ConditionalAccuracy().problem(info, EvaluationConfig()) or "")
    assert ConditionalAccuracy().problem(Stripes().info(), EvaluationConfig()) is None


def test_contradicting_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="epochs"):
        ConditionalAccuracy(epochs=0)
    with pytest.raises(ConfigError, match="checkpoint"):
        ConditionalAccuracy(evaluator="small", checkpoint="a.pth")
