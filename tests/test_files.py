"""Files survive a power cut, hold no NaN, and a broken one counts as absent."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ganbench import files
from ganbench.api.cell import RunResult
from ganbench.api.config import Budget, RunOptions
from ganbench.errors import StoreError
from ganbench.files import (
    append_line,
    plain,
    read_json,
    read_lines,
    replace_lines,
    typed,
    write_atomic,
    write_json,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_content_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append("folder" if target.is_dir() else f"file of {target.stat().st_size} bytes")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        assert self.parent == target.parent
        events.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write_atomic(tmp_path / "x", b"12345")
    assert events == ["file of 5 bytes", "rename", "folder"]


@pytest.mark.parametrize("failing", ["write", "fsync", "rename"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "x"
    write_atomic(path, b"old")

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if failing == "fsync":
            patch.setattr(os, "fsync", full)
        elif failing == "rename":
            patch.setattr(Path, "replace", full)
        else:
            patch.setattr(os, "fdopen", lambda descriptor, mode: (os.close(descriptor), full())[1])
        with pytest.raises(
            StoreError, match=r"x: cannot be written \(No space left on device\); 3 bytes, \d+ are free"
        ):
            write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_file_whose_folder_is_gone_still_gets_the_room_of_its_disk(tmp_path: Path) -> None:
    said = files.cannot_write(tmp_path / "lease.1" / "runner", OSError(errno.ENOSPC, "No space left on device"), 200)
    assert re.search(r"runner: cannot be written \(No space left on device\); 200 bytes, \d+ are free$", said)


def test_what_reads_back_otherwise_does_not_take_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    write_atomic(path, b"old", sha256=hashlib.sha256(b"old").hexdigest())
    monkeypatch.setattr(files, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.pwrite(descriptor, b"!", 1))  # a disk that errs
    with pytest.raises(StoreError, match="what was written reads back otherwise"):
        write_atomic(path, b"new", sha256=hashlib.sha256(b"new").hexdigest())
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_errors_of_a_network_that_pass_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, replace = tmp_path / "x", Path.replace
    failures = [errno.ESTALE, errno.EIO]

    def flaky(self: Path, target: Path) -> Path:
        if failures:
            raise OSError(failures.pop(), "it passes")
        return replace(self, target)

    monkeypatch.setattr(files, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(Path, "replace", flaky)
    write_atomic(path, b"new")
    assert failures == [] and path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]
    failures[:] = [errno.EIO] * 3
    with pytest.raises(StoreError, match="it passes"):
        write_atomic(path, b"newer")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synced_is_only_left_to_itself_where_no_folder_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(number: int) -> Any:
        def fsync(descriptor: int) -> None:
            raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    files.sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        files.sync_folder(tmp_path)


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    code = f"import pathlib, ganbench.files as f; f.write_atomic(pathlib.Path({path!r}), b'')"
    subprocess.run([sys.executable, "-c", code], check=True, umask=0o027)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_what_is_not_yet_whole_is_nobody_elses_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: modes.append(os.fstat(descriptor).st_mode & 0o777))
    write_atomic(tmp_path / "x", b"")
    assert modes[0] == 0o600


@given(JSON)
@settings(deadline=None, max_examples=60)
def test_no_json_file_ever_holds_nan(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    folder = tmp_path_factory.getbasetemp()

    def refuse(token: str) -> None:
        raise AssertionError(token)

    path, lines = folder / "any.json", folder / "any.jsonl"
    lines.unlink(missing_ok=True)
    write_json(path, {"value": value})
    append_line(lines, {"value": value})
    for text in (path.read_text("utf-8"), lines.read_text("utf-8")):
        assert text.count("\n") >= 1
        assert json.loads(text, parse_constant=refuse)["value"] == plain(value)
    assert read_lines(lines) == [{"value": plain(value)}]


def test_numbers_that_are_not_finite_become_null_and_records_plain() -> None:
    assert plain({"a": (math.nan, math.inf, 1.5), 1: Budget(steps=3)})["a"] == [None, None, 1.5]
    options = RunOptions(device="cpu", log_every=7)
    assert typed(RunOptions, plain(options)) == options
    result = RunResult(status="done", metrics={"fid": 0.1 + 0.2}, tables={"t": [[1, 2], [3, None]]})
    assert typed(RunResult, plain(result)) == result  # to the last bit


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff\xfe", b"[1]", b"null", b"[" * 100_000])
def test_corrupt_json_is_set_aside_and_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert read_json(path) is None
    assert not path.exists() and (tmp_path / "x.json.corrupt").read_bytes() == content
    assert read_json(path) is None


def test_a_cut_last_line_is_ignored_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    records = [{"step": 1, "a": 0.5}, {"step": 2, "text": 'with "quotes" and ü'}]
    for record in records:
        append_line(path, record)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert read_lines(path) == records[:1]
    path.write_bytes(whole[:-1])  # only the newline is missing: the record is whole
    assert read_lines(path) == records


def test_a_line_after_a_cut_one_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"step": 1}\n{"st')
    append_line(path, {"step": 2})
    append_line(path, {"step": 3})
    assert read_lines(path) == [{"step": 1}, {"step": 2}, {"step": 3}]


def test_lines_are_rewritten_only_where_they_differ(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    replace_lines(path, [])
    assert not path.exists()
    append_line(path, {"step": 1}, sealed=True)
    before = path.stat().st_ino
    replace_lines(path, read_lines(path), sealed=True)
    assert path.stat().st_ino == before
    replace_lines(path, [])
    assert path.read_bytes() == b""


def test_a_folder_that_is_not_there_is_an_error_with_its_path(tmp_path: Path) -> None:
    for write in (lambda p: write_json(p, {}), lambda p: append_line(p, {})):
        with pytest.raises(StoreError, match="gone/x: cannot be written"):
            write(tmp_path / "gone" / "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="folder: cannot be read"):
        read_json(tmp_path / "folder")
    assert files.read_lines(tmp_path / "gone" / "x") == []
