from __future__ import annotations

import pytest
from PIL import Image
from translating import gallery, training

from ganbench import ConfigError, EvaluationConfig, PluginSpec
from ganbench.commands.sample import with_labels
from ganbench.commands.score import score_images


def test_labels_cannot_be_asked_of_a_model_that_keeps_them():
    run, data = training("unit")
    _, inputs = gallery(run, data, 2)
    assert with_labels(inputs, run, []).labels.keys() == inputs.labels.keys()
    with pytest.raises(ConfigError, match="makes images from images, and keeps their labels"):
        with_labels(inputs, run, ["kind=0"])


def test_images_alone_have_no_cycle_error(tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "1.png")
    faces = PluginSpec(name="faces_glasses", options={"size": 16, "train": 4, "held_out": 4})
    evaluation = EvaluationConfig(images=1, final_images=1, metrics=(PluginSpec(name="cycle_error"),))
    with pytest.raises(ConfigError, match="cycle_error: needs the model, not its images alone"):
        score_images(tmp_path, faces, evaluation, cache=tmp_path / "cache")
