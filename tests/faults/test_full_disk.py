"""A disk that is full, read-only or gone: old data stay whole, the message says where and how much, and the same
command goes on when there is room."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganbench.cell_folder import CellFolder
from ganbench.errors import StoreError

Make = Callable[..., Any]
# What a run writes: of the runner, of a cell, of both.
SITES = (
    *("suite.yaml", "plan.json", "looks.json", "lease.1", "config.json", "attempts.jsonl", "runner"),
    *("history.jsonl", "snapshots.jsonl", "progress.json", "checkpoint.json", "checkpoint.pt", "result.json"),
)


@contextlib.contextmanager
def full(site: str, number: int = errno.ENOSPC, after: int = 0) -> Iterator[list[str]]:
    """Opening, writing, syncing and making what is called so fails, after it has succeeded so many times."""
    hits: list[str] = []
    seen = [0]

    def meant(path: Any) -> bool:
        name = Path(os.fsdecode(path)).name.lstrip(".") if isinstance(path, (str, bytes, os.PathLike)) else ""
        if not (name == site or name.startswith(f"{site}.")):
            return False
        seen[0] += 1
        return seen[0] > after

    def fail(path: Any) -> None:
        hits.append(str(path))
        raise OSError(number, os.strerror(number), str(path))

    os_open, io_open, mkdir = os.open, io.open, os.mkdir

    def opened(path: Any, flags: int, *more: Any, **how: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and meant(path):
            fail(path)
        return os_open(path, flags, *more, **how)

    def streamed(file: Any, mode: str = "r", *more: Any, **how: Any) -> Any:
        if set(mode) & set("wax+") and meant(file):
            fail(file)
        return io_open(file, mode, *more, **how)

    def made(path: Any, *more: Any, **how: Any) -> None:
        if meant(path):
            fail(path)
        mkdir(path, *more, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opened)
        patch.setattr(io, "open", streamed)
        patch.setattr(os, "mkdir", made)
        yield hits


@pytest.mark.parametrize("site", SITES)
def test_no_room_for_one_file(lab: Make, request: pytest.FixtureRequest, site: str) -> None:
    wanted = request.getfixturevalue("wanted")
    one = lab(levels=0, seeds=2)
    try:
        with full(site):
            outcome = one.run()
        reason, code = outcome.reason, outcome.code
    except StoreError as error:  # before any cell ran: the command line prints it, with code 2
        reason, code = str(error), 2
    assert code in (2, 3) and site in reason and "No space left on device" in reason and "bytes" in reason, reason
    assert not list(one.root.rglob(".*.partial"))
    assert one.run().code == 0
    assert one.left() == wanted and set(one.done().values()) == {1}


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    return {}


@pytest.fixture
def wanted(straight: Callable[..., Any], known: dict[str, Any]) -> Any:
    if not known:
        known.update(straight(levels=0, seeds=2))
    return known


def test_the_old_checkpoint_stays_when_there_is_no_room_for_a_new_one(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    folder.write_checkpoint(1, b"one")
    for site in ("checkpoint.pt", "checkpoint.json"):
        with full(site), pytest.raises(StoreError, match=rf"{site}: cannot be written \(No space left on device\); "):
            folder.write_checkpoint(2, b"two")
        assert folder.read_checkpoint() == b"one"
    folder.write_checkpoint(2, b"two")
    assert folder.read_checkpoint() == b"two"


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EROFS, errno.EFBIG])
def test_other_ways_to_have_no_room_are_the_same(lab: Make, wanted: Any, number: int) -> None:
    one = lab(levels=0, seeds=2)
    with full("result.json", number):
        outcome = one.run()
    assert outcome.code == 3 and os.strerror(number) in outcome.reason
    assert one.run().code == 0 and one.left() == wanted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A file system of so many KiB; skipped where none can be mounted."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        place = tmp_path / "disk"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("no file system can be mounted here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_disk_that_is_really_full(lab: Make, wanted: Any, small_disk: Any, rng: random.Random) -> None:
    one = lab(levels=0, seeds=2)
    one.root = small_disk(400)
    one.root.joinpath("ballast").write_bytes(bytes(1024 * rng.randrange(250, 400)))
    for _ in range(5):
        try:
            outcome = one.run()
            code, reason = outcome.code, outcome.reason
        except StoreError as error:
            code, reason = 2, str(error)
        if code == 0:
            break
        assert "No space left on device" in reason and " are free" in reason, reason
        ballast = one.root / "ballast"
        os.truncate(ballast, ballast.stat().st_size // 2)
    assert code == 0 or one.run().code == 0
    (one.root / "ballast").unlink()
    assert one.left() == wanted and set(one.done().values()) == {1}


def test_a_results_folder_that_vanishes(lab: Make, tmp_path: Path) -> None:
    one = lab(levels=0, seeds=2, step=0.05)
    runner = one.start()
    one.wait(lambda: len(one.work()) > 4)
    pids = one.pids()
    one.root.rename(tmp_path / "elsewhere")
    log = tmp_path / "elsewhere" / "runner0.log"
    assert runner.wait() == 3
    assert "No such file or directory" in log.read_text() or "could not write" in log.read_text(), log.read_text()
    one.wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), seconds=5.0)
    assert not list((tmp_path / "elsewhere").rglob("result.json"))


def test_a_finished_suite_is_told_from_a_folder_that_cannot_be_written(
    lab: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lab(levels=0, seeds=1)
    assert one.run().code == 0
    mkdir, os_open = os.mkdir, os.open

    def refuse(path: Any, flags: int = os.O_WRONLY, *more: Any, **how: Any) -> Any:
        if str(one.root) in str(path) and (flags & (os.O_WRONLY | os.O_RDWR)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return os_open(path, flags, *more, **how)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(
        os, "mkdir", lambda path, *m, **h: refuse(path) if str(one.root) in str(path) else mkdir(path, *m, **h)
    )
    assert one.run().code == 0
