from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_pictures import left_out, numbered, reds, table

from ganbench import DataError
from ganbench_zoo.datasets.metadata_folder import MetadataFolder


def metadata(folder: Path, **options: Any) -> MetadataFolder:
    return MetadataFolder(path=str(folder), size=8, **options)


def test_csv_in_the_folder_names_images_by_relative_paths(tmp_path: Path) -> None:
    names = numbered(tmp_path / "pictures", 6)
    table(tmp_path / "metadata.csv", "file_name,class", *(f"pictures/{n},{'ab'[i % 2]}" for i, n in enumerate(names)))
    data = metadata(tmp_path, held_out=2)
    assert data.info().counts == {"train": 4, "held_out": 2, "conditions": 0}
    samples = data.make("train")
    assert samples.labels["class"].tolist() == [number % 2 for number in reds(samples)]


def test_json_lines_keep_their_types(tmp_path: Path) -> None:
    names = numbered(tmp_path, 4)
    records = [
        {"file_name": name, "smiling": i > 1, "age": i + 0.5, "tags": ["x"] * (i % 2), "text": f"photo {i}"}
        for i, name in enumerate(names)
    ]
    table(tmp_path / "metadata.jsonl", *map(json.dumps, records))
    info = metadata(tmp_path, columns=("smiling", "age", "tags")).info()
    assert {name: label.kind for name, label in info.labels.items()} == {
        "smiling": "class",
        "age": "value",
        "tags": "flags",
    }
    samples = metadata(tmp_path, columns=("age", "tags"), held_out=0).make("train")
    assert samples.labels["age"][:, 0].tolist() == [number + 0.5 for number in reds(samples)]
    assert samples.labels["tags"][:, 0].tolist() == [number % 2 for number in reds(samples)]


def test_a_metadata_file_per_split_holds_out_what_is_called_test(tmp_path: Path) -> None:
    for split, count in (("train", 5), ("test", 2), ("validation", 1)):
        names = numbered(tmp_path / split, count)
        table(tmp_path / split / "metadata.csv", "file_name,hair", *(f"{name},red" for name in names))
    data = metadata(tmp_path)
    assert data.info().counts == {"train": 5, "held_out": 3, "conditions": 0}
    assert sorted(reds(data.make("train"))) == list(range(5)) and left_out(data) == {}
    assert metadata(tmp_path, split="hash", held_out=2).info().counts["held_out"] == 2


def test_captions_are_no_classes_and_can_be_left_out(tmp_path: Path) -> None:
    names = numbered(tmp_path, 60)
    table(tmp_path / "metadata.csv", "file_name,text,hair", *(f"{n},caption {i},red" for i, n in enumerate(names)))
    with pytest.raises(DataError, match=r"text: has 60 different values .* choose the columns .* with `columns`"):
        metadata(tmp_path).info()
    assert list(metadata(tmp_path, columns=("hair",)).info().labels) == ["hair"]


def test_what_is_missing_or_mixed_up_is_told_in_a_line(tmp_path: Path) -> None:
    numbered(tmp_path / "a", 1)
    numbered(tmp_path / "b", 1)
    with pytest.raises(DataError, match=r"nor its subfolders have metadata\.csv or metadata\.jsonl"):
        metadata(tmp_path).info()
    table(tmp_path / "a" / "metadata.csv", "file_name,hair", "000.png,red")
    table(tmp_path / "b" / "metadata.csv", "file_name,eyes", "000.png,red")
    with pytest.raises(DataError, match="has other columns than"):
        metadata(tmp_path).info()
    table(tmp_path / "metadata.csv", "name,eyes", "000.png,red")
    with pytest.raises(DataError, match="no column 'file_name'"):
        metadata(tmp_path).info()
    table(tmp_path / "metadata.jsonl", '{"file_name": "a/000.png"}')
    with pytest.raises(DataError, match=r"has metadata\.csv and metadata\.jsonl; name one"):
        metadata(tmp_path).info()
