from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_pictures import left_out, numbered, reds, table

from ganbench import DataError
from ganbench_zoo.datasets.tagged_faces import USUAL, TaggedFaces

TAGS = [
    "blue hair green eyes",
    "Blonde Hair\tred eyes",
    "long hair blue hair blue eyes",
    "grey hair, aqua eyes",
    "red hair blue hair green eyes",  # several colours of hair
    "long hair silver hair blue eyes",  # silver is gray
    "long hair blue eyes",  # no colour of hair
    "blue hair",  # no eyes
    "blue hair rainbow eyes",
]


def tagged(folder: Path, **options: Any) -> TaggedFaces:
    return TaggedFaces(path=str(folder), size=8, held_out=0, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images 0.jpg ... in faces/ and a table of numbers and tags, without a header."""
    numbered(tmp_path / "faces", len(TAGS), ".png", digits=1)
    table(tmp_path / "tags.csv", *(f'{i},"{tags}"' for i, tags in enumerate(TAGS)))
    return tmp_path


def test_colours_of_hair_and_eyes_are_read_from_free_text(folder: Path) -> None:
    data = tagged(folder)
    info, samples = data.info(), data.make("train")
    assert {name: label.names for name, label in info.labels.items()} == USUAL
    found = {
        number: (info.labels["hair"].name(int(hair)), info.labels["eyes"].name(int(eyes)))
        for number, hair, eyes in zip(reds(samples), samples.labels["hair"], samples.labels["eyes"], strict=True)
    }
    assert found == {
        0: ("blue", "green"),
        1: ("blonde", "red"),
        2: ("blue", "blue"),
        3: ("gray", "aqua"),
        5: ("gray", "blue"),
    }
    assert samples.labels["hair"].dtype == np.int64


def test_what_is_missing_or_ambiguous_is_counted_with_the_words_that_stood_there(folder: Path) -> None:
    found = {reason: (count, set(names)) for reason, (count, names) in left_out(tagged(folder)).items()}
    none = "that is in the vocabulary (words in its place:"
    assert found == {
        f"images have no colour of hair {none} long 1)": (1, {"faces/6.png"}),
        "images have several colours of hair": (1, {"faces/4.png"}),
        f"images have no colour of eyes {none} rainbow 1)": (2, {"faces/7.png", "faces/8.png"}),
    }


def test_the_vocabulary_can_be_given(folder: Path) -> None:
    data = tagged(folder, hair=("blue", "silver"), eyes=("green", "blue"))
    assert data.info().labels["hair"].names == ("blue", "silver")
    assert sorted(reds(data.make("train"))) == [0, 2, 4, 5]
    assert sorted(reds(tagged(folder, synonyms=False).make("train"))) == [0, 1, 2]
    with pytest.raises(ValueError, match="at least two colours"):
        tagged(folder, hair=("blue", "blue"))


def test_flags_hold_the_same_as_classes(folder: Path) -> None:
    data = tagged(folder, labels="flags")
    label = data.info().labels["tags"]
    assert label.size == 23 and label.names[:2] == ("aqua hair", "black hair") and label.names[-1] == "yellow eyes"
    flags, classes = data.make("train").labels["tags"], tagged(folder).make("train").labels
    assert flags.dtype == np.float32 and (flags.sum(1) == 2).all()
    assert flags[:, :12].argmax(1).tolist() == classes["hair"].tolist()
    assert flags[:, 12:].argmax(1).tolist() == classes["eyes"].tolist()


@pytest.mark.parametrize(
    "lines",
    [
        ["0,touhou:17705\tblue hair:123\tgreen eyes:3", "1,red hair\tred eyes"],
        ["file_name;tags", "0.png;blue hair green eyes", "1.png;red hair red eyes"],
        ["id,tag1,tag2", "0,blue hair,green eyes", "1,red hair,red eyes,extra"],
        ["\ufeff0,blue_hair green_eyes", "", "1,RED HAIR RED EYES"],
    ],
)
def test_tables_with_and_without_a_header(tmp_path: Path, lines: list[str]) -> None:
    numbered(tmp_path, 2, digits=1)
    table(tmp_path / "tags_clean.csv", *lines)
    data = tagged(tmp_path)
    names = data.info().labels["hair"].names
    samples = data.make("train")
    hair = {n: names[int(i)] for n, i in zip(reds(samples), samples.labels["hair"], strict=True)}
    assert hair == {0: "blue", 1: "red"}


def test_a_table_without_any_colour_is_an_error_with_an_example(tmp_path: Path) -> None:
    numbered(tmp_path, 2, digits=1)
    with pytest.raises(DataError, match=r"has no tags\.csv or tags_clean\.csv. Name it in the option `table`"):
        tagged(tmp_path).info()
    table(tmp_path / "tags.csv", "0,smile", "1,smile")
    with pytest.raises(DataError, match="no image has one colour of hair and one of eyes; the first tags are 'smile'"):
        tagged(tmp_path).info()
    table(tmp_path / "tags.csv", "")
    with pytest.raises(DataError, match="is empty"):
        tagged(tmp_path).info()
