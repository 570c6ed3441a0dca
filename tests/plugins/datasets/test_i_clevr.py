from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_pictures import left_out, numbered, reds

from ganbench import DataError
from ganbench_zoo.datasets.i_clevr import IClevr

CLASSES = {"red cube": 1, "gray cube": 0, "blue sphere": 2}


def write(path: Path, value: object) -> None:
    path.write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images 0..9; even ones hold a red cube, all a blue sphere."""
    names = numbered(tmp_path / "iclevr", 10)
    write(tmp_path / "objects.json", CLASSES)
    scenes = {name: ["blue sphere", "red cube"] if i % 2 == 0 else ["blue sphere"] for i, name in enumerate(names)}
    write(tmp_path / "train.json", scenes)
    write(tmp_path / "test.json", [["gray cube"], ["red cube", "gray cube"]])
    write(tmp_path / "new_test.json", [["blue sphere"]])
    return tmp_path


def clevr(folder: Path, **options: Any) -> IClevr:
    return IClevr(path=str(folder), size=8, **options)


def test_flags_are_in_the_order_of_objects_json(folder: Path) -> None:
    data = clevr(folder, held_out=3)
    info = data.info()
    assert info.labels["objects"].names == ("gray cube", "red cube", "blue sphere")
    assert info.counts == {"train": 7, "held_out": 3, "conditions": 2}
    for split in ("train", "held_out"):
        samples = data.make(split)
        expected = [[0, number % 2 == 0, 1] for number in reds(samples)]
        assert samples.labels["objects"].tolist() == np.array(expected, float).tolist()


@pytest.mark.parametrize(
    ("which", "rows"),
    [
        ("test", [[1, 0, 0], [1, 1, 0]]),
        ("new_test", [[0, 0, 1]]),
        ("both", [[1, 0, 0], [1, 1, 0], [0, 0, 1]]),
        ("none", []),
    ],
)
def test_conditions_have_labels_and_no_images(folder: Path, which: Any, rows: list[list[int]]) -> None:
    data = clevr(folder, conditions=which)
    samples = data.make("conditions")
    assert samples.labels["objects"].tolist() == rows and not samples.images.any()
    assert len(samples) == data.info().counts["conditions"] == len(rows)
    assert data.info().without_images == (("conditions",) if rows else ())


def test_only_the_files_that_are_asked_for_must_be_there(folder: Path) -> None:
    (folder / "new_test.json").unlink()
    assert clevr(folder).info().counts["conditions"] == 2
    with pytest.raises(DataError, match=r"has no new_test\.json"):
        clevr(folder, conditions="both").info()
    for name in ("test.json", "train.json", "objects.json"):
        (folder / name).unlink()
        with pytest.raises(DataError, match=f"has no {name}"):
            clevr(folder).info()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("objects.json", ["red cube"], "expected an object of classes"),
        ("objects.json", {"red cube": 1, "blue sphere": 1}, "each with its own index from 0"),
        ("objects.json", "{", "is not JSON"),
        ("train.json", [["red cube"]], "expected an object of file names"),
        ("train.json", {"000.png": ["red pyramid"]}, "000.png: 'red pyramid' is no class of objects.json"),
        ("train.json", {"000.png": "red cube"}, "000.png: expected a list of classes, not 'red cube'"),
        ("train.json", {"000.png": [["red cube"]]}, "is no class of objects.json"),
        ("train.json", {"000.png": []}, "expected a list of classes"),
        ("train.json", {"elsewhere.png": ["red cube"]}, "none of its file names is an image"),
        ("train.json", '{"000.png": ["red cube"], "000.png": ["red cube"]}', "'000.png' stands there twice"),
        ("test.json", {}, "expected a list of conditions"),
        ("test.json", [], "expected a list of conditions"),
        ("test.json", [["red cube"], ["a"]], "entry 1: 'a' is no class"),
    ],
)
def test_json_of_the_wrong_shape_is_told_in_a_line(folder: Path, name: str, value: object, said: str) -> None:
    write(folder / name, value)
    with pytest.raises(DataError) as error:
        clevr(folder).info()
    text = str(error.value)
    assert text.startswith(str(folder / name)) and said in text and "\n" not in text


def test_what_has_no_image_or_no_row_is_counted(folder: Path) -> None:
    (folder / "iclevr" / "003.png").unlink()
    numbered(folder / "more", 1, ".bmp")
    assert left_out(clevr(folder)) == {
        "names in train.json fit no image, or several": (1, ("003.png",)),
        "images are not in train.json": (1, ("more/000.bmp",)),
    }


def test_two_kinds_of_conditions_exclude_each_other(folder: Path) -> None:
    with pytest.raises(ValueError, match="conditions: none"):
        clevr(folder, held_out_combinations=0.5)
    data = clevr(folder, held_out_combinations=0.5, conditions="none")
    with pytest.raises(DataError, match="leaves none to hold out; each value of a label must still occur"):
        data.info()  # of two combinations, neither can be spared
    every = [["blue sphere"], ["red cube"], ["blue sphere", "red cube"], ["gray cube"], ["gray cube", "red cube"]]
    write(folder / "train.json", {f"{i:03}.png": every[i % 5] for i in range(10)})
    assert data.info().counts["conditions"] == 4 and data.make("conditions").images.any()
