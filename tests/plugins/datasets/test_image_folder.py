from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_pictures import bomb
from PIL import Image

from ganbench import DataError, LabelInfo
from ganbench_zoo.datasets.image_folder import ImageFolder

RED, GREEN, BLUE = (200, 10, 20), (10, 200, 20), (10, 20, 200)


def solid(path: Path, colour: Any = RED, mode: str = "RGB", size: tuple[int, int] = (8, 8), **save: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **save)
    return path


def only(folder: Path, **options: Any) -> np.ndarray[Any, Any]:
    """The one image of a folder, C H W."""
    images = ImageFolder(path=str(folder), size=8, held_out=0, **options).make("train").images
    assert len(images) == 1
    return images[0]


def pixel(folder: Path, **options: Any) -> list[int]:
    """The colour of the one image of a folder, which must be even."""
    image = only(folder, **options)
    assert (image == image[:, :1, :1]).all()
    return [int(value) for value in image[:, 0, 0]]


# --- which files ----------------------------------------------------------------------------------
def test_subfolders_become_classes(tmp_path: Path) -> None:
    for name, colour in (("dogs", RED), ("cats", BLUE)):
        for i in range(5):
            solid(tmp_path / name / "deeper" / f"{i}.png", colour)
    folder = ImageFolder(path=str(tmp_path), size=8, held_out=2)
    assert folder.info().labels == {"class": LabelInfo(kind="class", size=2, names=("cats", "dogs"))}
    assert folder.info().counts == {"train": 8, "held_out": 2, "conditions": 0}
    for split in ("train", "held_out"):
        samples = folder.make(split)
        assert len(samples) == folder.info().counts[split]
        assert samples.labels["class"].dtype == np.int64
        assert ((samples.images[:, 0, 0, 0] == RED[0]) == (samples.labels["class"] == 1)).all()
    assert len(folder.make("conditions")) == 0


def test_images_of_one_place_have_no_labels(tmp_path: Path) -> None:
    solid(tmp_path / "one" / "a.png")
    assert ImageFolder(path=str(tmp_path)).info().labels == {}
    solid(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"both in itself and in subfolders \(one\)"):
        ImageFolder(path=str(tmp_path)).info()


def test_info_reads_no_image_and_ignores_other_and_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "a.PNG").write_bytes(b"not an image")
    (tmp_path / "readme.txt").write_text("x")
    solid(tmp_path / ".hidden.png")
    solid(tmp_path / ".cache" / "b.png")
    assert sum(ImageFolder(path=str(tmp_path), held_out=0).info().counts.values()) == 1


def test_splits_depend_on_paths_alone_and_do_not_overlap(tmp_path: Path) -> None:
    for i in range(30):
        solid(tmp_path / "one" / f"{i}.bmp", (i, 0, 0))
        solid(tmp_path / "two" / f"{29 - i}.bmp", (29 - i, 0, 0))  # the same files, written in another order

    def reds(name: str, split: Any) -> list[int]:
        folder = ImageFolder(path=str(tmp_path / name), size=4, held_out=0.2)
        return [int(value) for value in folder.make(split).images[:, 0, 0, 0]]

    assert reds("one", "train") == reds("two", "train")
    assert reds("one", "held_out") == reds("two", "held_out")
    assert sorted(reds("one", "train") + reds("one", "held_out")) == list(range(30))
    assert len(reds("one", "held_out")) == 6
    # The first images are a sample of all, not those whose names come first.
    assert reds("one", "train") != [i for i in sorted(range(30), key=str) if i in reds("one", "train")]


def test_identity_changes_with_content_and_with_names_only(tmp_path: Path) -> None:
    path = solid(tmp_path / "a.png")
    folder = ImageFolder(path=str(tmp_path))
    first = folder.identity()
    os.utime(path, (1, 1))
    assert folder.identity() == first
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    assert folder.identity() != first
    path.write_bytes(content)
    path.rename(tmp_path / "b.png")
    assert folder.identity() != first


def test_relative_paths_start_at_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solid(tmp_path / "mine" / "a.png")
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path))
    assert ImageFolder(path="mine", held_out=0).info().counts["train"] == 1
    with pytest.raises(DataError, match=r"there is no folder .*absent"):
        ImageFolder(path="absent").info()
    with pytest.raises(DataError, match="say which folder"):
        ImageFolder().info()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image"):
        ImageFolder(path="empty").info()


def test_links_out_of_the_folder_are_never_followed(tmp_path: Path) -> None:
    secret = solid(tmp_path / "secret" / "s.png", BLUE)
    solid(tmp_path / "data" / "a.png")
    (tmp_path / "data" / "inside.png").symlink_to(tmp_path / "data" / "a.png")
    assert len(ImageFolder(path=str(tmp_path / "data"), held_out=0).make("train")) == 2
    (tmp_path / "data" / "out.png").symlink_to(secret)
    (tmp_path / "data" / "folder").symlink_to(secret.parent)
    with pytest.raises(DataError) as error:
        ImageFolder(path=str(tmp_path / "data")).info()
    assert "out.png: a symbolic link that leads out" in str(error.value)
    assert "folder: a symbolic link to a folder" in str(error.value)
    lenient = ImageFolder(path=str(tmp_path / "data"), held_out=0, on_error="skip", size=8)
    samples = lenient.make("train")
    (skipped,) = samples.skipped
    assert skipped.reason == "links or special files are not read" and skipped.count == 2
    assert lenient.make("held_out").skipped == ()
    assert (samples.images[:, 2] == RED[2]).all()


def test_pipes_loops_and_links_to_nothing_are_refused_without_waiting(tmp_path: Path) -> None:
    solid(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "absent.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    folder = ImageFolder(path=str(tmp_path), held_out=0, on_error="skip")
    assert len(folder.make("train")) == 1 and folder.make("train").skipped[0].count == 4
    assert folder.identity() == ImageFolder(path=str(tmp_path), held_out=0, on_error="skip").identity()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_are_bad(tmp_path: Path) -> None:
    solid(tmp_path / "a.png").chmod(0)
    solid(tmp_path / "b.png")
    folder = ImageFolder(path=str(tmp_path), held_out=0, on_error="skip")
    assert folder.identity() and len(folder.make("train")) == 1


def test_bad_files_are_counted_and_the_first_20_named(tmp_path: Path) -> None:
    solid(tmp_path / "good.png")
    for i in range(25):
        (tmp_path / f"bad{i:02}.jpg").write_bytes(b"\xff\xd8 broken")
    with pytest.raises(DataError) as error:
        ImageFolder(path=str(tmp_path), held_out=0).make("train")
    text = str(error.value)
    assert "25 of 26 files" in text and text.count(".jpg: ") == 20 and "and 5 more" in text
    samples = ImageFolder(path=str(tmp_path), held_out=0, on_error="skip").make("train")
    (skipped,) = samples.skipped
    assert len(samples) == 1 and skipped.count == 25 and len(skipped.first) == 20
    assert str(skipped).startswith("25 files cannot be read: bad") and str(skipped).endswith(" and 5 more")
    (tmp_path / "good.png").unlink()
    with pytest.raises(DataError, match="25 of 25"):
        ImageFolder(path=str(tmp_path), held_out=0, on_error="skip").make("train")


def test_truncated_files_are_bad(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"a\.jpg: OSError: image file is truncated"):
        only(tmp_path)


def test_formats_with_a_false_suffix_are_bad(tmp_path: Path) -> None:
    solid(tmp_path / "a.gif").rename(tmp_path / "a.png")
    with pytest.raises(DataError, match="UnidentifiedImageError"):
        only(tmp_path)


def test_images_that_do_not_fit_into_memory_are_refused(tmp_path: Path) -> None:
    solid(tmp_path / "a.png")
    with pytest.raises(DataError, match="1 images of 3 x 1000000000 x 1000000000 do not fit into memory"):
        ImageFolder(path=str(tmp_path), size=10**9, held_out=0).make("train")


def test_decompression_bombs_are_bad_before_they_are_decoded(tmp_path: Path) -> None:
    for side in (10_000, 20_000):  # Pillow only warns of the first
        bomb(tmp_path / "bomb.png", side)
        with pytest.raises(DataError, match=rf"bomb\.png: .*({side} x {side} pixels are too many|decompression bomb)"):
            only(tmp_path)


# --- pixels ---------------------------------------------------------------------------------------
def test_colours_and_greys_fit_the_channels_asked_for(tmp_path: Path) -> None:
    solid(tmp_path / "rgb" / "a.png", RED)
    solid(tmp_path / "grey" / "a.png", 77, "L")
    solid(tmp_path / "bits" / "a.png", 1, "1")
    luma = round(0.299 * RED[0] + 0.587 * RED[1] + 0.114 * RED[2])
    assert pixel(tmp_path / "rgb") == list(RED)
    assert pixel(tmp_path / "rgb", channels=1) == [luma]
    assert pixel(tmp_path / "grey") == [77, 77, 77]
    assert pixel(tmp_path / "grey", channels=1) == [77]
    assert pixel(tmp_path / "bits") == [255, 255, 255]


def test_alpha_is_composited_over_the_background(tmp_path: Path) -> None:
    solid(tmp_path / "rgba" / "a.png", (200, 0, 0, 128), "RGBA")
    solid(tmp_path / "la" / "a.png", (100, 0), "LA")
    solid(tmp_path / "webp" / "a.webp", (0, 0, 0, 0), "RGBA", lossless=True)
    assert pixel(tmp_path / "rgba") == pytest.approx([227, 127, 127], abs=1)
    assert pixel(tmp_path / "rgba", background="black") == pytest.approx([100, 0, 0], abs=1)
    assert pixel(tmp_path / "la") == [255] * 3
    assert pixel(tmp_path / "la", background="black", channels=1) == [0]
    assert pixel(tmp_path / "webp") == [255] * 3


def test_palettes_are_expanded_with_their_transparency(tmp_path: Path) -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([*GREEN, *BLUE])
    for name, options in (("opaque", {}), ("clear", {"transparency": 1})):
        (tmp_path / name).mkdir()
        palette.save(tmp_path / name / "a.png", **options)
    assert pixel(tmp_path / "opaque") == list(BLUE)
    assert pixel(tmp_path / "clear") == [255] * 3


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257 * 100, 100), (300, 1), (65535, 255)])
def test_16_bit_greys_are_scaled_not_clipped(tmp_path: Path, value: int, expected: int) -> None:
    Image.fromarray(np.full((8, 8), value, np.uint16)).save(tmp_path / "a.png")
    assert pixel(tmp_path) == [expected] * 3


def test_a_transparent_16_bit_grey_becomes_background(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 3000, np.uint16)).save(tmp_path / "a.png", transparency=3000)
    assert pixel(tmp_path) == [255] * 3


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    solid(tmp_path / "a.jpg", (0, 255, 255, 0), "CMYK", quality=95)
    assert pixel(tmp_path) == pytest.approx([255, 0, 0], abs=3)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    image = Image.new("RGB", (8, 8), RED)
    image.paste(BLUE, (0, 0, 4, 8))  # the left half goes to the top
    image.save(tmp_path / "a.png", exif=exif)
    found = only(tmp_path)
    assert (found[:, 0, :].T == BLUE).all() and (found[:, 7, :].T == RED).all()


def test_crop_takes_the_central_square_or_squeezes_all(tmp_path: Path) -> None:
    image = Image.new("RGB", (24, 8), BLUE)
    image.paste(RED, (8, 0, 16, 8))
    image.save(tmp_path / "a.png")
    assert pixel(tmp_path) == list(RED)
    squeezed = only(tmp_path, crop="none")
    assert squeezed[2, 0, 0] > 150 and squeezed[2, 0, 7] > 150 and squeezed[0, 0, 4] > 150


def test_scaling_averages_instead_of_dropping_pixels(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    assert only(tmp_path).astype(float) == pytest.approx(127, abs=20)


def test_impossible_options_are_refused(tmp_path: Path) -> None:
    solid(tmp_path / "a.png")
    with pytest.raises(DataError, match="leaves none to train on"):
        ImageFolder(path=str(tmp_path), held_out=1).info()
    with pytest.raises(ValueError, match="whole number"):
        ImageFolder(held_out=1.5)
