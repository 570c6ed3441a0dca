"""What is cached is named by what it was made of, checked, and made again where it is not whole."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_plugins
import torch

from ganbench.api.config import EvaluationConfig, PluginSpec
from ganbench.api.data import Samples, Skipped
from ganbench.cache import RealImagesOf, real_images
from ganbench.cache_files import cached, load_samples, save_samples
from ganbench.errors import DataError

SAMPLES = Samples(
    images=np.arange(48, dtype=np.uint8).reshape(4, 3, 2, 2),
    labels={"kind": np.array([0, 1, 2, 0]), "../flags": np.eye(4, 2, dtype=np.float32)},
)


def corrupt(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.corrupt")]


def test_samples_come_back_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "train"
    assert load_samples(folder) is None
    save_samples(SAMPLES, folder, {})
    found = load_samples(folder)
    assert found is not None and found.digest == SAMPLES.digest and list(found.labels) == ["kind", "../flags"]
    assert sorted(p.name for p in folder.parent.iterdir()) == ["train"]


def test_what_was_left_out_comes_back_too(tmp_path: Path) -> None:
    left_out = Skipped(reason="files cannot be read", count=3, first=("a b.png", "\udcff.png"))
    save_samples(replace(SAMPLES, skipped=(left_out,)), tmp_path / "train", {})
    found = load_samples(tmp_path / "train")
    assert found is not None and found.skipped == (left_out,) and found.digest == SAMPLES.digest
    assert str(left_out) == "3 files cannot be read: a b.png, \udcff.png and 1 more"
    assert str(Skipped(reason="rows", count=2)) == "2 rows"
    facts = tmp_path / "train" / "facts.json"
    facts.write_text(facts.read_text().replace('"skipped"', '"other"'))  # as older versions wrote it
    found = load_samples(tmp_path / "train")
    assert found is not None and found.skipped == ()


@pytest.mark.parametrize("damage", ["pixel", "label", "cut", "facts", "missing facts", "missing label", "empty"])
def test_damaged_samples_are_set_aside(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "train"
    save_samples(SAMPLES, folder, {})
    file = folder / {"label": "label0.npy", "facts": "facts.json"}.get(damage, "images.npy")
    if damage.startswith("missing"):
        (folder / ("facts.json" if damage.endswith("facts") else "label1.npy")).unlink()
    else:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes({"cut": content[:50], "empty": b"", "facts": b"{"}.get(damage, bytes(content)))
    assert load_samples(folder) is None and len(corrupt(tmp_path)) == 1
    save_samples(SAMPLES, folder, {})
    assert load_samples(folder) is not None


def test_of_two_writers_the_first_one_stays_and_nothing_is_left_over(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            barrier.wait()
            save_samples(SAMPLES, folder, {})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and [p.name for p in tmp_path.iterdir()] == ["train"]
    assert load_samples(folder) is not None


def test_a_file_is_made_once_per_key_and_again_when_it_is_damaged(tmp_path: Path) -> None:
    made: list[int] = []

    def make(path: Path) -> None:
        made.append(1)
        path.write_bytes(b"content")

    one = cached(tmp_path, {"a": 1}, make)
    assert cached(tmp_path, {"a": 1}, make) == one and len(made) == 1
    assert cached(tmp_path, {"a": 2}, make) != one and len(made) == 2
    for broken in (b"contenT", b""):
        one.write_bytes(broken)
        assert cached(tmp_path, {"a": 1}, make).read_bytes() == b"content"
    assert len(made) == 4 and len(corrupt(tmp_path)) == 2
    one.unlink()
    assert cached(tmp_path, {"a": 1}, make).read_bytes() == b"content"


def test_what_fails_while_it_is_made_is_not_kept(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        cached(tmp_path, {}, make)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in its way")
    with pytest.raises(DataError, match="cache"):
        cached(tmp_path / "cache", {}, lambda path: None)
    with pytest.raises(DataError, match="cache"):
        save_samples(SAMPLES, tmp_path / "cache" / "train", {})


# --- the real side -----------------------------------------------------------------------------------------
@pytest.fixture
def real(tiny_path: str, tmp_path: Path) -> Any:
    def make(said: list[str], **options: Any) -> RealImagesOf:
        config = EvaluationConfig(
            extractor=PluginSpec(name="pixels"), metrics=(PluginSpec(name="colour"),), resize=None, batch_size=7
        )
        spec = PluginSpec(name="tiny", options=options)
        return real_images(spec, config, device=torch.device("cpu"), cache=tmp_path, say=said.append)

    return make


def test_data_and_features_are_made_once(real: Any) -> None:
    said: list[str] = []
    first = real(said).features("train")
    assert said == ["tiny: making the train images", "Pixels: features of 40 real images (train)"]
    again = real(said).features("train", 40)
    assert len(said) == 2 and torch.equal(first.pooled, again.pooled)
    assert len(real(said).features("train", 10)) == 10 and len(said) == 3
    assert len(real(said).features("train", 10_000)) == 40 and len(said) == 3


def test_features_are_kept_by_content_not_by_name(real: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    real(said).features("train")
    other = real(said, seed=1)
    other.features("train")
    assert [line for line in said if line.startswith("Pixels")] == ["Pixels: features of 40 real images (train)"] * 2
    # The same pixels under other options: the data are made anew, their features are not.
    monkeypatch.setattr(tiny_plugins.Tiny, "identity", lambda self: "elsewhere")
    del said[:]
    real(said).features("train")
    assert said == ["tiny: making the train images"]


def test_other_weights_or_sizes_give_other_features(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    real(said).features("train")
    resized = real(said)
    resized.config = replace(resized.config, resize=32)
    resized.features("train")
    monkeypatch.setattr(tiny_plugins.Pixels, "digest", lambda self: "1" * 64)
    real(said).features("train")
    assert len([line for line in said if line.startswith("Pixels")]) == 3


def test_damaged_features_are_made_again(real: Any, tmp_path: Path) -> None:
    said: list[str] = []
    first = real(said).features("train")
    (content,) = (tmp_path / "features").glob("*/content")
    content.write_bytes(content.read_bytes()[:-20])
    assert torch.equal(real(said).features("train").pooled, first.pooled)
    assert len(said) == 3 and corrupt(tmp_path)
