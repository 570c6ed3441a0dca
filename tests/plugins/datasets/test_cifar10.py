from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from ganbench import DataError
from ganbench_zoo.datasets.cifar10 import CLASSES, Cifar10


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small files in CIFAR-10's layout, pickled as Python 2's numpy did, with torchvision told their digests."""
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()

    def write(name: str, content: object) -> str:
        data = pickle.dumps(content, protocol=2).replace(b"\x89\x88\x87", b"K\x00K\x01\x87")  # False, True as 0, 1
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(name: str, value: int) -> list[str]:
        images = np.full((2, 3, 32, 32), value, np.uint8)
        images[:, 1] = 200  # green
        images[:, 2, 4] = 100  # blue, fifth row
        return [name, write(name, {"data": images.reshape(2, 3072), "labels": [value, 9]})]

    monkeypatch.setattr(CIFAR10, "train_list", [batch("data_batch_1", 1), batch("data_batch_2", 2)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch", 3)])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": write("batches.meta", {"label_names": CLASSES})}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    return tmp_path


def test_splits_are_the_authors_own(files: Path) -> None:
    train, held_out = Cifar10(root=str(files)).make("train"), Cifar10(root=str(files)).make("held_out")
    assert train.images.shape == (4, 3, 32, 32) and train.images.dtype == np.uint8
    assert train.images[:, 0, 5, 5].tolist() == [1, 1, 2, 2]
    assert (train.images[:, 1] == 200).all() and (train.images[:, 2, 4, :] == 100).all()
    assert train.labels["class"].tolist() == [1, 9, 2, 9] and train.labels["class"].dtype == np.int64
    assert held_out.labels["class"].tolist() == [3, 9]
    assert len(Cifar10(root=str(files)).make("conditions")) == 0


def test_info_needs_the_files_but_reads_none(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
    info = Cifar10(root=str(files)).info()
    assert info.shape == (3, 32, 32) and info.counts == {"train": 50_000, "held_out": 10_000, "conditions": 0}
    assert info.labels["class"].names == CLASSES


def test_missing_files_say_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path))
    for ask in (Cifar10().info, lambda: Cifar10().make("train")):
        with pytest.raises(DataError) as error:
            ask()
        for part in ("cifar-10-python.tar.gz", str(tmp_path), "test_batch", "$GANBENCH_DATA", "`download: true`"):
            assert part in str(error.value)


def test_files_with_another_digest_are_never_unpickled(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
    path = files / CIFAR10.base_folder / "test_batch"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match="incomplete or not the original"):
        Cifar10(root=str(files)).make("train")


def test_a_failed_download_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", offline)
    with pytest.raises(DataError, match="no network"):
        Cifar10(root=str(tmp_path), download=True).make("train")


def test_identity_is_the_digests_of_the_authors_files() -> None:
    identity = Cifar10().identity()
    assert isinstance(identity, dict) and len(identity) == 6 and "test_batch" in identity
