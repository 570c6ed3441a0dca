from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_pictures import SPLITS, left_out, numbered, reds, table

from ganbench import DataError
from ganbench_zoo.datasets.celeba import CelebA

COUNT = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images 0..19: Male if odd, Smiling if 10 or more; of the validation from 14, of the test from 17."""
    names = numbered(tmp_path / "img_align_celeba", COUNT, ".jpg", digits=6)
    rows = [f"{name} {1 if i % 2 else -1:2} {1 if i >= 10 else -1:2}" for i, name in enumerate(names)]
    table(tmp_path / "list_attr_celeba.txt", str(COUNT), "Male Smiling ", *rows)
    parts = [f"{name} {0 if i < 14 else 1 if i < 17 else 2}" for i, name in enumerate(names)]
    table(tmp_path / "list_eval_partition.txt", *parts)
    return tmp_path


def celeba(folder: Path, **options: Any) -> CelebA:
    return CelebA(path=str(folder), size=8, **options)


def test_images_alone_have_no_labels(folder: Path) -> None:
    (folder / "list_attr_celeba.txt").unlink()
    info = celeba(folder, held_out=5).info()
    assert info.labels == {} and info.counts == {"train": 15, "held_out": 5, "conditions": 0}
    numbers = [number for split in SPLITS for number in reds(celeba(folder, held_out=5).make(split))]
    assert sorted(numbers) == pytest.approx(list(range(COUNT)), abs=2)


def test_chosen_attributes_become_flags_or_classes_of_the_right_images(folder: Path) -> None:
    data = celeba(folder, attributes=("Smiling", "Male"))
    label = data.info().labels["attributes"]
    assert (label.kind, label.names) == ("flags", ("Smiling", "Male"))
    samples = data.make("train")
    numbers = np.array(reds(samples))
    assert (samples.labels["attributes"][:, 0] == (numbers >= 10)).mean() > 0.9  # JPEG may move 9 to 10
    assert samples.labels["attributes"].dtype == np.float32
    apart = celeba(folder, attributes=("Smiling", "Male"), labels="classes").make("train")
    assert apart.labels["Smiling"].dtype == np.int64
    assert (np.stack([apart.labels["Smiling"], apart.labels["Male"]], 1) == samples.labels["attributes"]).all()


def test_the_official_partition_holds_out_validation_and_test(folder: Path) -> None:
    data = celeba(folder, split="official", attributes=("Male",))
    assert data.info().counts == {"train": 14, "held_out": 6, "conditions": 0}
    assert max(reds(data.make("train"))) < 16 and min(reds(data.make("held_out"))) > 11
    (folder / "list_eval_partition.txt").unlink()
    with pytest.raises(DataError, match=r"has no list_eval_partition\.txt or list_eval_partition\.csv"):
        data.info()


def test_csv_tables_and_a_doubled_folder_are_read_too(tmp_path: Path) -> None:
    names = numbered(tmp_path / "img_align_celeba" / "img_align_celeba", 4, ".jpg", digits=6)
    table(tmp_path / "list_attr_celeba.csv", "image_id,Male,Smiling", *(f"{name},1,-1" for name in names))
    table(tmp_path / "list_eval_partition.csv", "image_id,partition", *(f"{n},{i // 2}" for i, n in enumerate(names)))
    data = celeba(tmp_path, attributes=("Male",), split="official")
    assert data.info().counts == {"train": 2, "held_out": 2, "conditions": 0}
    assert data.make("train").labels["attributes"].tolist() == [[1], [1]]


def test_missing_files_and_wrong_attributes_are_told_in_a_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'Bald', which `attributes` names; it has file_name, Male, Smiling"):
        celeba(folder, attributes=("Bald",)).info()
    text = (folder / "list_attr_celeba.txt").read_text()
    (folder / "list_attr_celeba.txt").write_text(text.replace(" 1", " 3", 1))
    with pytest.raises(DataError, match="are not all 1 or -1"):
        celeba(folder, attributes=("Male", "Smiling")).info()
    other = numbered(tmp_path / "other" / "pictures", 2)
    assert other
    with pytest.raises(DataError, match=r"has no folder img_align_celeba with images\. Unpack img_align_celeba\.zip"):
        celeba(tmp_path / "other").info()


def test_a_part_of_the_images_is_enough_and_the_rest_is_counted(folder: Path) -> None:
    for i in range(5):
        (folder / "img_align_celeba" / f"{i:06}.jpg").unlink()
    data = celeba(folder, attributes=("Male",), held_out=0)
    assert data.info().counts["train"] == 15
    assert left_out(data)["rows of list_attr_celeba.txt name no image, or several"][0] == 5


def test_the_crop_is_central_and_may_be_given_in_pixels(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "img_align_celeba").mkdir()
    image = Image.new("RGB", (178, 218), (0, 0, 0))
    image.paste((255, 0, 0), (35, 55, 143, 163))  # the central 108 x 108
    image.save(tmp_path / "img_align_celeba" / "1.png")
    inner = celeba(tmp_path, held_out=0, crop=100).make("train").images[0]
    assert (inner[0] == 255).all()
    outer = celeba(tmp_path, held_out=0).make("train").images[0]
    assert (outer[0, :, 0] == 0).all() and outer[0, 4, 4] > 200


def test_held_out_combinations_make_up_the_conditions(folder: Path) -> None:
    data = celeba(folder, attributes=("Male", "Smiling"), held_out_combinations=0.25, held_out=2)
    counts = data.info().counts
    assert counts["conditions"] == 5 and counts["train"] == 13 and data.info().without_images == ()
    tested = {tuple(row) for row in data.make("conditions").labels["attributes"].tolist()}
    trained = {tuple(row) for row in data.make("train").labels["attributes"].tolist()}
    assert len(tested) == 1 and not tested & trained


def test_identity_changes_with_the_tables_that_are_used(folder: Path) -> None:
    with_labels, without = celeba(folder, attributes=("Male",)), celeba(folder)
    before = with_labels.identity(), without.identity()
    text = (folder / "list_attr_celeba.txt").read_text()
    (folder / "list_attr_celeba.txt").write_text(text.replace("-1", " 1", 1))
    assert with_labels.identity() != before[0] and without.identity() == before[1]
