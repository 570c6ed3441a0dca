"""`ganbench score`: images of any other program, measured like a suite's."""

from __future__ import annotations

import json
import shutil
import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from stub_results import make_results

from ganbench import ConfigError, DataError, EvaluationConfig, PluginSpec
from ganbench.api.data import DatasetInfo, LabelInfo
from ganbench.commands.score import external_path, image_files, of_suite, read_images, read_labels, score_images
from ganbench.files import write_json
from ganbench.report.curves import with_records
from ganbench.report.pipeline import summary_of
from ganbench_zoo.reports.html import page

TINY = PluginSpec(name="tiny")
EVALUATION = EvaluationConfig(
    extractor=PluginSpec(name="pixels"),
    metrics=(PluginSpec(name="colour"),),
    resize=None,
    images=12,
    final_images=20,
    batch_size=8,
)


@pytest.fixture
def folder(tmp_path):
    """24 images of random colours, two of them below a subfolder."""
    rng = np.random.default_rng(0)
    made = tmp_path / "images"
    (made / "more").mkdir(parents=True)
    for i in range(24):
        pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(made / ("more" if i > 21 else "") / f"{i}.png")
    return made


def test_images_are_measured_like_a_suites(folder, tiny_path, tmp_path):
    found = score_images(folder, TINY, EVALUATION, cache=tmp_path / "cache", name="others")
    assert (found.name, found.images) == ("others", 12)
    assert found.metrics["colour"] > 0
    assert found.last["colour"] != found.metrics["colour"]  # on 20 of them
    assert found.protocol["images"] == 12
    assert found.protocol["metrics"] == {"colour": {"scale": 1.0}}
    few = replace(EVALUATION, final_images=30)
    assert score_images(folder, TINY, few, cache=tmp_path / "cache").last == {}


def test_too_few_images_are_refused(folder, tiny_path, tmp_path):
    with pytest.raises(DataError, match="holds 24 images, and 100 are scored"):
        score_images(folder, TINY, replace(EVALUATION, images=100), cache=tmp_path / "cache")


def test_files_come_in_an_order_of_their_own(folder):
    names = [path.name for path in image_files(folder)]
    assert len(names) == 24
    assert names != sorted(names)
    assert names == [path.name for path in image_files(folder)]
    (folder / "link.png").symlink_to("/etc/hostname")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / ".thumbnails").mkdir()
    (folder / ".thumbnails" / "0.png").write_bytes(b"")
    (folder / "notes.txt").write_text("")
    assert [path.name for path in image_files(folder)] == names
    (folder.parent / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        image_files(folder.parent / "empty")


def test_images_of_another_size_are_not_scaled_in_silence(folder):
    info = DatasetInfo(shape=(3, 32, 32), counts={"train": 2})
    with pytest.raises(DataError, match="is 16 x 16 pixels, and the real images are 32 x 32"):
        read_images(image_files(folder), info)


def test_pixels_arrive_as_they_are_in_the_file(folder):
    (path, *_) = image_files(folder)
    expected = np.asarray(Image.open(path)).transpose(2, 0, 1)
    found = read_images([path], DatasetInfo(shape=(3, 16, 16), counts={"train": 2}))
    assert (found[0].numpy() == expected).all()
    whole = path.read_bytes()
    place = whole.index(b"IDAT") + 4
    cut = struct.pack(">I", 100) + b"IDAT" + whole[place : place + 100] + bytes(4)
    for damaged in (b"no image", whole[: place - 8] + cut + struct.pack(">I", 9) + bytes(range(16)), whole[:200]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read as an image"):
            read_images([path], DatasetInfo(shape=(3, 16, 16), counts={"train": 2}))


def test_labels_are_read_as_sample_writes_them(folder, tmp_path):
    labels = {
        "hair": LabelInfo(kind="class", size=2, names=("red", "blue")),
        "marks": LabelInfo(kind="flags", size=3, names=("a", "b", "c")),
    }
    info = DatasetInfo(shape=(3, 16, 16), counts={"train": 2}, labels=labels)
    files = image_files(folder)[:2]
    table = tmp_path / "labels.csv"
    table.write_text(f"file,hair,marks\n{files[1].name},blue,none\n{files[0].name},red,a+c\n")
    found = read_labels(table, folder, files, info)
    assert found["hair"].tolist() == [0, 1]
    assert found["marks"].tolist() == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    with pytest.raises(DataError, match="has no row for"):
        read_labels(table, folder, image_files(folder)[:3], info)
    table.write_text(f"file,hair,marks\n{files[0].name},green,a\n{files[1].name},red,a\n")
    with pytest.raises(ConfigError, match="there is no 'green'"):
        read_labels(table, folder, files, info)
    table.write_text("file,hair\n")
    with pytest.raises(DataError, match="has no column 'marks'"):
        read_labels(table, folder, files, info)


def test_files_of_one_name_are_told_apart(folder, tmp_path):
    shutil.copy(folder / "0.png", folder / "more" / "0.png")
    info = DatasetInfo(shape=(3, 16, 16), counts={"train": 2}, labels={"hair": LabelInfo(kind="class", size=2)})
    files = [folder / "0.png", folder / "more" / "0.png"]
    table = tmp_path / "labels.csv"
    table.write_text("file,hair\n0.png,1\nmore/0.png,0\n")
    assert read_labels(table, folder, files, info)["hair"].tolist() == [1, 0]
    table.write_text("file,hair\n0.png,1\n")
    with pytest.raises(DataError, match=r"has no row for more/0\.png"):
        read_labels(table, folder, files, info)


def test_scores_stand_in_the_report_unless_they_were_measured_in_another_way(tmp_path):
    suite = make_results(tmp_path, change=lambda cell, made: replace(made, protocol={"data": "abc", "images": 32}))
    for name, data in (("a <b> & c", "abc"), ("another", "other")):
        path = external_path(suite, name)
        path.parent.mkdir(exist_ok=True)
        said = {"data": data, "images": 32, "metrics": {}}
        write_json(path, {"name": name, "images": 32, "metrics": {"fid": 77.125}, "protocol": said})
    (suite.path / "external" / "broken.json").write_text("[")
    summary = with_records(summary_of(suite), suite)
    found = {one.name: (one.metrics, one.note) for one in summary.records.external}
    assert found == {
        "a <b> & c": ({"fid": 77.125}, "one set of images of another program"),
        "another": ({}, "measured in another way: data"),
    }
    text = page(summary)
    assert "a &lt;b&gt; &amp; c" in text
    assert "77.12" in text
    assert json.loads(external_path(suite, "another").read_text())["name"] == "another"


def test_a_suite_says_how_it_measures(tmp_path):
    suite = make_results(tmp_path)
    spec, evaluation, cache = of_suite(suite)
    assert spec.name == "faces"
    assert evaluation.images == 32
    assert cache == tmp_path / ".cache"
    assert external_path(suite, "../../x").parent == suite.path / "external"
    assert external_path(suite, "a b").name != external_path(suite, "a-b").name
