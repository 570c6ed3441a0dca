"""What loggers wrote, as the readers of the programs they write for see it."""

from __future__ import annotations

import builtins
import warnings

import numpy as np
import pytest
from PIL import Image

from ganbench import Cell, ConfigError, EvaluationConfig, PluginSpec, RunConfig
from ganbench_zoo.loggers.tensorboard import TensorBoard, flat
from ganbench_zoo.loggers.wandb import WandB

HISTORY = [{"step": step, "progress": step / 20, "seconds": 0.5 * step, "D/adversarial": 1 / step} for step in (10, 20)]
WARNING = {"step": 20, "progress": 1.0, "warning": {"name": "fading", "message": "colours are pale", "step": 20}}
SNAPSHOTS = [{"step": 20, "images": 300, "final": final, "metrics": {"fid": 9.0 - final}} for final in (False, True)]


@pytest.fixture
def cell():
    config = RunConfig(dataset=PluginSpec(name="faces"))
    evaluation = EvaluationConfig()
    return Cell(id="lr-high-s1-abc", suite="demo", levels={"lr": "high"}, seed=1, config=config, evaluation=evaluation)


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "00000020.webp"
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[..., 0] = 200
    Image.fromarray(pixels).save(path, lossless=True)
    return path


def log_all(writer, grid):
    for record in [*HISTORY, WARNING]:
        writer.history(record)
    for record in SNAPSHOTS:
        writer.snapshot(record)
    writer.images(20, grid)
    writer.close()


@pytest.fixture
def read():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other projects' imports
        reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        pytest.importorskip("torch.utils.tensorboard")

    def load(folder):
        found = reader.EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0})
        found.Reload()
        return found

    return load


def test_tensorboard_reads_everything_back(cell, grid, read, tmp_path):
    log_all(TensorBoard().open(cell, tmp_path), grid)
    found = read(tmp_path / "tensorboard")
    losses = [(event.step, pytest.approx(event.value)) for event in found.Scalars("D/adversarial")]
    assert losses == [(10, 0.1), (20, 0.05)]
    assert [event.value for event in found.Scalars("run/seconds")] == [5.0, 10.0]
    assert [event.value for event in found.Scalars("metrics/fid")] == [9.0]
    assert [event.value for event in found.Scalars("final/fid")] == [8.0]
    (picture,) = found.Images("samples")
    assert (picture.step, picture.width, picture.height) == (20, 8, 6)
    texts = {name: found.Tensors(name)[0].tensor_proto.string_val[0].decode() for name in found.Tags()["tensors"]}
    assert "lr: high" in texts["settings/text_summary"]
    assert texts["health/warnings/text_summary"] == "fading: colours are pale"
    assert any("hparams" in name for name in found.summary_metadata)


def test_tensorboard_goes_on_after_a_resumption(cell, grid, read, tmp_path):
    for record in HISTORY:  # each in a process of its own
        writer = TensorBoard(images=False).open(cell, tmp_path)
        writer.history(record)
        writer.images(20, grid)
        writer.close()
    found = read(tmp_path / "tensorboard")
    assert [event.step for event in found.Scalars("D/adversarial")] == [10, 20]
    assert found.Tags()["images"] == []


def test_settings_are_numbers_and_words():
    assert dict(flat({"a": {"b": 1, "c": [1, 2]}, "d": None, "e": {}, "f": "x"})) == {
        "a.b": 1,
        "a.c": "[1, 2]",
        "f": "x",
    }


def test_wandb_writes_offline_into_the_cell(cell, grid, tmp_path, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("wandb")
        monkeypatch.setenv("WANDB_SILENT", "true")
        log_all(WandB().open(cell, tmp_path), grid)
    (run,) = (tmp_path / "wandb").glob("offline-run-*-lr-high-s1-abc")
    (log,) = run.glob("*.wandb")
    content = log.read_bytes()
    for said in (b"D/adversarial", b"final/fid", b"high"):
        assert said in content
    assert list((run / "files").glob("media/images/samples_*.png"))


@pytest.mark.parametrize(("logger", "package"), [(TensorBoard, "torch.utils.tensorboard"), (WandB, "wandb")])
def test_what_is_not_installed_is_named_with_its_extra(logger, package, cell, tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *more):
        if name == package:
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match=r"pip install 'ganbench\["):
        logger().open(cell, tmp_path)
