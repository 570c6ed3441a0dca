"""Pictures of a run: whole or not there, like all other files; none of them is worth a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from ganbench import files
from ganbench.errors import StoreError
from ganbench.pictures import save_animation, save_grid

IMAGES = torch.arange(4 * 3 * 8 * 8, dtype=torch.int64).remainder(256).to(torch.uint8).reshape(4, 3, 8, 8)


def frames(folder: Path, count: int = 3) -> list[Path]:
    paths = [folder / f"{index:08d}.webp" for index in range(count)]
    for index, path in enumerate(paths):
        save_grid(IMAGES + index, path)
    return paths


def test_pictures_are_written_beside_and_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    whole = files.write_atomic

    def noted(path: Path, content: memoryview) -> None:
        written.append(path)
        whole(path, content)

    monkeypatch.setattr("ganbench.pictures.write_atomic", noted)
    made = frames(tmp_path)
    save_animation(made, tmp_path / "training.webp")
    assert written == [*made, tmp_path / "training.webp"]
    with Image.open(tmp_path / "training.webp") as film:
        assert film.n_frames == 3
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("what", ["grid", "animation"])
def test_the_old_picture_stays_when_a_new_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    made = frames(tmp_path)
    path = made[0] if what == "grid" else tmp_path / "training.webp"
    save_animation(made, tmp_path / "training.webp")
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreError, match=rf"{path.name}: cannot be written .*No space left"):
        save_grid(IMAGES + 9, path) if what == "grid" else save_animation(made[:2], path)
    assert path.read_bytes() == before and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"no picture at all"])
def test_a_damaged_picture_is_left_out_and_named(
    tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    made = frames(tmp_path)
    made[1].write_bytes(damage)
    save_animation(made, tmp_path / "training.webp")
    with Image.open(tmp_path / "training.webp") as film:
        assert film.n_frames == 2
    assert f"{made[1].name}: is damaged and left out" in capsys.readouterr().out


def test_a_picture_cut_anywhere_costs_no_run(tmp_path: Path) -> None:
    made = frames(tmp_path)
    whole = made[1].read_bytes()
    for at in range(0, len(whole), max(len(whole) // 20, 1)):
        made[1].write_bytes(whole[:at])
        save_animation(made, tmp_path / "training.webp")
        with Image.open(tmp_path / "training.webp") as film:
            assert film.n_frames in (2, 3)
