from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_pictures import SPLITS, bomb, left_out, numbered, reds, solid, table, truncated

from ganbench import DataError
from ganbench_zoo.datasets.attribute_table import AttributeTable

HAIR = ("black", "blue", "red")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images 0..11 in images/: hair by their number modulo 3, glasses by their number modulo 2."""
    names = numbered(tmp_path / "images", 12)
    table(
        tmp_path / "attributes.csv", "file,hair,glasses", *(f"{n},{HAIR[i % 3]},{i % 2}" for i, n in enumerate(names))
    )
    return tmp_path


def attributes(folder: Path, **options: Any) -> AttributeTable:
    return AttributeTable(path=str(folder), size=8, **options)


def test_every_column_becomes_a_label_of_the_right_images(folder: Path) -> None:
    data = attributes(folder, held_out=4)
    info = data.info()
    assert info.labels["hair"].names == HAIR and info.labels["glasses"].names == ("0", "1")
    assert info.counts == {"train": 8, "held_out": 4, "conditions": 0}
    for split in SPLITS:
        samples = data.make(split)
        assert samples.labels["hair"].tolist() == [number % 3 for number in reds(samples)]
        assert samples.labels["glasses"].tolist() == [number % 2 for number in reds(samples)]
        assert samples.labels["hair"].dtype == np.int64 and len(samples) == info.counts[split]


def test_splits_are_the_same_wherever_the_folder_lies(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "place"
    folder.rename(other)
    names = reds(attributes(other, held_out=0.5).make("train"))
    other.rename(folder)
    assert reds(attributes(folder, held_out=0.5).make("train")) == names != sorted(names)


def test_columns_can_be_chosen_and_named(folder: Path) -> None:
    assert list(attributes(folder, columns=("glasses",)).info().labels) == ["glasses"]
    assert list(attributes(folder, file_column="file").info().labels) == ["hair", "glasses"]
    with pytest.raises(DataError, match="no column 'eyes', which `columns` names"):
        attributes(folder, columns=("eyes",)).info()
    with pytest.raises(DataError, match="no column 'name', which `file_column` names"):
        attributes(folder, file_column="name").info()


def test_one_hot_columns_become_one_class(tmp_path: Path) -> None:
    names = numbered(tmp_path / "images", 4)
    rows = ["1 -1 1", "-1 1 -1", "1 1 -1", "-1 -1 1"]
    table(
        tmp_path / "cartoon_attr.txt",
        "4",
        "black_hair blue_hair glasses",
        *map(" ".join, zip(names, rows, strict=True)),
    )
    groups = {"hair": ("black_hair", "blue_hair")}
    data = attributes(tmp_path, groups=groups, held_out=0)
    assert data.info().labels["hair"].names == ("black_hair", "blue_hair")
    samples = data.make("train")
    assert samples.labels["hair"].tolist() == reds(samples) and sorted(reds(samples)) == [0, 1]
    assert left_out(data)["images have no hair, or several"][0] == 2
    with pytest.raises(ValueError, match="two ways to choose labels"):
        attributes(tmp_path, groups=groups, columns=("glasses",))


def test_the_only_table_is_found_and_several_are_asked_about(folder: Path) -> None:
    table(folder / "other.json", "[]")
    with pytest.raises(DataError, match=r"several tables \(attributes\.csv, other\.json\); name one in the option"):
        attributes(folder).info()
    assert attributes(folder, table="attributes.csv").info().labels
    (folder / "other.json").unlink()
    (folder / "attributes.csv").unlink()
    with pytest.raises(DataError, match="has no table"):
        attributes(folder).info()
    with pytest.raises(DataError, match=r"has no attributes\.csv\. Name it in the option `table`"):
        attributes(folder, table="attributes.csv").info()


def test_a_table_outside_the_folder_is_not_read(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "t.csv"
    (folder / "attributes.csv").rename(outside)
    (folder / "link.csv").symlink_to(outside)
    for name in (f"../{outside.parent.name}/t.csv", str(outside), "link.csv"):
        with pytest.raises(DataError, match="has no "):
            attributes(folder, table=name).info()


def test_hostile_files_are_counted_by_reason_and_the_rest_is_kept(folder: Path, tmp_path: Path) -> None:
    secret = solid(tmp_path.parent / f"{tmp_path.name} secret.png", (255, 0, 0))
    truncated(folder / "images" / "cut.JPG")
    bomb(folder / "images" / "bomb.png", 10_000)
    solid(folder / "images" / "Größe 1 (é).PNG", (99, 0, 0))
    (folder / "images" / "out.png").symlink_to(secret)
    with (folder / "attributes.csv").open("a") as file:
        file.write("cut.JPG,red,0\nbomb.png,red,0\nout.png,red,0\nGro\u0308ße 1 (e\u0301).PNG,blue,1\n")
        file.write(f"../{secret.name},red,1\nno hair.png,,1\n")
    data = attributes(folder, on_error="skip", held_out=0)
    samples = data.make("train")
    assert sorted(reds(samples)) == [*range(12), 99]
    found = {one.reason: one.count for one in samples.skipped}
    assert found == {
        "files cannot be read": 2,
        "links or special files are not read": 1,
        "rows of attributes.csv name no image, or several": 3,
    }
    with pytest.raises(DataError, match=r"1 of 16 files in .* cannot be used"):
        attributes(folder, held_out=0).make("train")


def test_bad_images_stop_unless_they_are_to_be_skipped(folder: Path) -> None:
    truncated(folder / "images" / "003.png")
    with pytest.raises(DataError) as error:
        attributes(folder, held_out=0).make("train")
    assert "attribute_table: 1 of 12 files" in str(error.value) and "003.png: OSError" in str(error.value)
    samples = attributes(folder, held_out=0, on_error="skip").make("train")
    assert 3 not in reds(samples) and len(samples) == 11
    assert samples.labels["hair"].tolist() == [number % 3 for number in reds(samples)]


def test_images_without_a_value_are_counted(folder: Path) -> None:
    path = folder / "attributes.csv"
    path.write_text(path.read_text().replace("004.png,blue,0", "004.png,,0"))
    data = attributes(folder, held_out=0)
    assert left_out(data) == {"images have no hair": (1, ("images/004.png",))}
    assert left_out(data, "held_out") == left_out(data, "conditions") == {}  # told once
    assert data.info().counts["train"] == 11
    assert len(attributes(folder, held_out=0, columns=("glasses",)).make("train")) == 12


def test_identity_changes_with_images_and_table(folder: Path) -> None:
    data = attributes(folder)
    first = data.identity()
    assert attributes(folder).identity() == first
    path = folder / "attributes.csv"
    path.write_text(path.read_text() + "zzz.png,red,0\n")
    second = data.identity()
    solid(folder / "images" / "000.png", (1, 2, 3))
    assert len({str(first), str(second), str(data.identity())}) == 3


def test_info_decodes_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    table(tmp_path / "t.csv", "file,hair", "a.png,red")
    assert attributes(tmp_path, held_out=0).info().counts["train"] == 1
