"""Files that were cut or changed are noticed, named, set aside, and made again; nobody sees a traceback."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganbench.api.cell import RunResult
from ganbench.cell_folder import CellFolder
from ganbench.store import SuiteFolder

Make = Callable[..., Any]


def cuts(content: bytes) -> Iterator[bytes]:
    for part in range(20):
        yield content[: len(content) * part // 20]


def flips(content: bytes, count: int, rng: random.Random) -> Iterator[bytes]:
    for _ in range(count):
        at, bit = rng.randrange(len(content)), rng.randrange(8)
        yield content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def damage(content: bytes, count: int, rng: random.Random) -> Iterator[bytes]:
    yield from cuts(content)
    yield from flips(content, count, rng)
    middle = len(content) // 2
    yield content[:middle] + bytes(min(4096, len(content) - middle))  # a block that was never written


RESULT = RunResult(
    status="done", metrics={"fid": 83.21, "kid": 1.5e-05}, tables={"t": [[1, 2.5]]}, reason="é", seconds=3.25
)


def results(folder: CellFolder) -> tuple[Path, Callable[[], Any], Any]:
    folder.save_result(RESULT)
    return folder.path / "result.json", folder.load_result, RESULT


def checkpoints(folder: CellFolder) -> tuple[Path, Callable[[], Any], Any]:
    folder.write_checkpoint(1, bytes(range(256)) * 40)
    return folder.path / "checkpoint.pt", folder.read_checkpoint, bytes(range(256)) * 40


def digests(folder: CellFolder) -> tuple[Path, Callable[[], Any], Any]:
    folder.write_checkpoint(1, b"x" * 1000)
    return folder.path / "checkpoint.json", folder.read_checkpoint, b"x" * 1000


def snapshots(folder: CellFolder) -> tuple[Path, Callable[[], Any], Any]:
    folder.append_snapshot({"step": 10, "metrics": {"fid": 83.21}})
    return folder.path / "snapshots.jsonl", folder.snapshots, [{"step": 10, "metrics": {"fid": 83.21}}]


def plans(folder: CellFolder) -> tuple[Path, Callable[[], Any], Any]:
    suite = SuiteFolder(folder.path)
    plan = {"cells": [{"id": "c", "levels": {"a": "b"}, "seed": 3}], "keys": [], "notes": {"x": 1.5}}
    suite.write_plan("name: s\n", plan)
    return folder.path / "plan.json", lambda: suite.read_plan(), ("name: s\n", {"schema": 1, **plan})


def looks(folder: CellFolder) -> tuple[Path, Callable[[], Any], Any]:
    suite = SuiteFolder(folder.path)
    suite.write_looks({"declared": {"seeds": 3}})
    return folder.path / "looks.json", suite.read_looks, {"schema": 1, "declared": {"seeds": 3}}


@pytest.mark.parametrize("make", [results, checkpoints, digests, snapshots, plans, looks])
@pytest.mark.parametrize("count", [25, pytest.param(200, marks=pytest.mark.soak)])
def test_every_cut_and_every_flipped_bit_is_noticed(
    tmp_path: Path, rng: random.Random, make: Any, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What is read is what was written, or nothing, and then somebody is told."""
    folder = CellFolder(tmp_path / "cell")
    folder.path.mkdir()
    file, read, wanted = make(folder)
    content, silent = file.read_bytes(), 0
    for broken in damage(content, count, rng):
        make(folder) if make is digests else None
        file.write_bytes(broken)
        caplog.clear()
        found = read()
        if found in (None, []):
            told = f"{file} is damaged" in caplog.text or file.suffix == ".jsonl" or make is digests
            assert told or broken == b"" or not file.exists(), broken
        else:
            assert make is not checkpoints
            assert found == wanted, (broken, found)  # another way to write the same, such as 1E-05
            silent += 1
        file.write_bytes(content)
    assert silent <= 2 + count // 50, f"{silent} went unnoticed, though they changed nothing"


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.soak)])
def test_a_suite_with_damage_anywhere_ends_the_same(lab: Make, straight: Make, rng: random.Random, times: int) -> None:
    """Every file of a suite that is half done, and then of a finished one, one after another, damaged at random."""
    shape = {"levels": 1, "seeds": 2, "step": 0.005}
    wanted = straight(**shape)
    one = lab(**shape)
    runner = one.start()
    one.wait(lambda: len(one.work()) > 45)
    runner.send_signal(signal.SIGINT)
    runner.wait()
    for _ in range(times):
        for file in sorted(path for path in one.folder.path.rglob("*") if path.is_file()):
            if file.exists() and (content := file.read_bytes()) and to_damage(file):
                kinds = list(cuts(content)) if file.name == "history.jsonl" else list(damage(content, 5, rng))
                file.write_bytes(rng.choice(kinds))
        outcome = one.run()
        assert outcome.code == 0
        assert one.left() == wanted
    assert list(one.folder.path.rglob("*.corrupt"))


def to_damage(file: Path) -> bool:
    """What was declared is not to be forgotten: its damage is an error (tests/commands/test_hostile.py). The lines of a
    finished cell are not made again, and no verdict needs them."""
    if file.name in ("looks.json", "suite.yaml") or file.suffix in (".txt", ".corrupt"):
        return False
    return file.suffix != ".jsonl" or not (file.parent / "result.json").exists()


def test_damage_is_said_on_screen(lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lab(levels=0, seeds=1)
    monkeypatch.setenv("GANBENCH_FAULT", "exit:*:12:once")
    runner = one.start()
    one.wait(lambda: list(one.root.rglob("misbehaved")))
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    one.wait(lambda: not one.pids())
    (newest,) = one.root.rglob("checkpoint.pt")
    newest.write_bytes(newest.read_bytes()[:-1])
    assert one.run().code == 0
    assert any("checkpoint.pt was damaged: it was set aside as checkpoint.pt.corrupt" in s for s in one.view.said)


@pytest.mark.parametrize("name", ["config.json", "result.json", "checkpoint.json"])
def test_what_a_newer_version_has_written_is_refused_politely(tmp_path: Path, name: str) -> None:
    from ganbench.errors import StoreError

    folder = CellFolder(tmp_path)
    (tmp_path / name).write_text(json.dumps({"schema": 2, "something": "else"}))
    readers = {
        "config.json": folder.read_config,
        "result.json": folder.load_result,
        "checkpoint.json": folder.checkpoint_step,
    }
    with pytest.raises(StoreError, match=r"newer ganbench \(schema 2, this one reads 1\)\. Upgrade"):
        readers[name]()
    assert (tmp_path / name).exists()


def test_what_an_older_version_has_written_is_read(tmp_path: Path) -> None:
    """Without seals, and with the digests of checkpoints under another name."""
    import hashlib

    folder = CellFolder(tmp_path)
    (tmp_path / "result.json").write_text(json.dumps({"schema": 1, "status": "done", "metrics": {"fid": 1.0}}))
    assert folder.load_result() == RunResult(status="done", metrics={"fid": 1.0})
    (tmp_path / "snapshots.jsonl").write_text('{"step": 1}\n')
    assert folder.snapshots() == [{"step": 1}]
    (tmp_path / "checkpoint.pt").write_bytes(b"weights")
    older = {"step": 3, "sha256": [hashlib.sha256(b"weights").hexdigest()]}
    (tmp_path / "checkpoint.json").write_text(json.dumps(older))
    assert folder.read_checkpoint() == b"weights" and folder.checkpoint_step() == 3
