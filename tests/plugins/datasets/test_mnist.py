from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from ganbench import DataError
from ganbench_zoo.datasets.fashion_mnist import FashionMnist
from ganbench_zoo.datasets.mnist import NAMES, Mnist

KINDS = [Mnist, FashionMnist]


def write(root: Path, kind: type[Mnist]) -> Path:
    """Small files in the authors' format: image i of the training set is i everywhere, with label i."""
    raw = root / kind.source / "raw"
    raw.mkdir(parents=True)
    for images, labels, count in ((NAMES[0], NAMES[1], 10), (NAMES[2], NAMES[3], 4)):
        pixels = np.arange(count, dtype=np.uint8)[:, None, None] + np.zeros((count, 28, 28), np.uint8)
        pixels[:, 0, 0] = 255  # the upper left corner
        (raw / images).write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, count, 28, 28) + pixels.tobytes())
        (raw / labels).write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, count) + bytes(range(count)))
    return raw


@pytest.mark.parametrize("kind", KINDS)
def test_the_authors_test_images_are_held_out_and_padded(tmp_path: Path, kind: type[Mnist]) -> None:
    write(tmp_path, kind)
    data = kind(root=str(tmp_path))
    info, train, held_out = data.info(), data.make("train"), data.make("held_out")
    assert info.shape == (1, 32, 32) and info.counts == {"train": 60_000, "held_out": 10_000, "conditions": 0}
    assert info.labels["class"].names == kind.classes and len(kind.classes) == 10
    assert train.images.shape == (10, 1, 32, 32) and train.images.dtype == np.uint8
    assert train.labels["class"].tolist() == list(range(10)) == train.images[:, 0, 16, 16].tolist()
    assert (train.images[:, 0, 2, 2] == 255).all() and not train.images[:, 0, :2].any()
    assert held_out.labels["class"].tolist() == list(range(4)) and len(data.make("conditions")) == 0


def test_images_can_be_scaled_and_repeated_over_channels(tmp_path: Path) -> None:
    write(tmp_path, Mnist)
    scaled = Mnist(root=str(tmp_path), size=16, fit="resize", channels=3).make("train")
    assert scaled.images.shape == (10, 3, 16, 16)
    assert (scaled.images[:, 0] == scaled.images[:, 2]).all() and scaled.images[7, 0, 8, 8] == 7
    with pytest.raises(ValueError, match="fit: resize"):
        Mnist(size=16)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_files_say_what_to_put_where(
    tmp_path: Path, kind: type[Mnist], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path))
    for ask in (kind().info, kind().identity, lambda: kind().make("train")):
        with pytest.raises(DataError) as error:
            ask()
        text = str(error.value)
        for part in (
            f"{kind.name}: ",
            str(tmp_path / kind.source / "raw"),
            NAMES[3],
            "$GANBENCH_DATA",
            "`download: true`",
        ):
            assert part in text


def test_a_failed_download_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", offline)
    data = Mnist(root=str(tmp_path), download=True)
    assert data.info().counts["train"] == 60_000  # a plan needs no files
    with pytest.raises(DataError, match=r"cannot be fetched \(.*\)\. Put train-images-idx3-ubyte"):
        data.make("train")


@pytest.mark.parametrize("damage", ["cut", "other size", "label"])
def test_damaged_files_are_a_clear_error(tmp_path: Path, damage: str) -> None:
    raw = write(tmp_path, Mnist)
    path = raw / NAMES[1 if damage == "label" else 0]
    content = path.read_bytes()
    if damage == "cut":
        content = content[:-5]
    elif damage == "other size":
        content = struct.pack(">BBBBIII", 0, 0, 8, 3, 40, 14, 14) + content[16:]
    else:
        content = content[:-1] + b"\x0b"
    path.write_bytes(content)
    with pytest.raises(DataError, match="incomplete or not the original"):
        Mnist(root=str(tmp_path)).make("train")


def test_identity_follows_the_content(tmp_path: Path) -> None:
    raw = write(tmp_path, Mnist)
    first = Mnist(root=str(tmp_path)).identity()
    (raw / NAMES[3]).write_bytes((raw / NAMES[3]).read_bytes()[:-1] + b"\x07")
    assert Mnist(root=str(tmp_path)).identity() != first
