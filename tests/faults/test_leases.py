"""Leases: one owner at a time, however many want it; nobody's clock counts but the reader's own."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fault_plugins import Child, fork

from ganbench import lease
from ganbench.api.cell import Provenance, RunResult
from ganbench.cell_folder import CellFolder
from ganbench.errors import StoreError
from ganbench.lease import Lease, LeaseLost, Leases


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SECONDS", 0.6)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cell"


def elsewhere(held: Lease) -> None:
    """As if its owner were on another machine."""
    path = held.place / f"lease.{held.number}" / held.role
    lease.write_sign(path, replace(held.sign, machine="another"))


def silence(leases: Leases) -> None:
    """No more signs of life, and none that is just being written."""
    leases.closed.set()
    assert leases.thread is not None
    leases.thread.join()


def taken(leases: Leases, place: Path, seconds: float) -> float | None:
    """How long it takes to get it; None if it is not to be had in this time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if leases.acquire(place) is not None:
            return time.monotonic() - began
        time.sleep(0.02)
    return None


def test_one_of_many_gets_it(tmp_path: Path) -> None:
    turns, many = 10, 4
    look = lease.number_of

    def slowly(place: Path) -> int:
        """All of them look before any of them acts."""
        number = look(place)
        time.sleep(0.05)
        return number

    def compete(number: int) -> Callable[[], int]:
        def together(what: str) -> None:
            (tmp_path / f"{what}.{number}").touch()
            while len(list(tmp_path.glob(f"{what}.*"))) < many:
                time.sleep(0.002)

        def work() -> int:
            lease.number_of, leases, got = slowly, Leases(), []
            for turn in range(turns):
                together(f"turn{turn}")
                got.append(leases.acquire(tmp_path / str(turn)) is not None)
            (tmp_path / f"got{number}").write_text(json.dumps(got))
            together("end")  # who ends loses what he has
            return 0

        return work

    children = [Child(pid=fork(compete(number), tmp_path / "log")) for number in range(many)]
    try:
        for child in children:
            assert child.wait() == 0, (tmp_path / "log").read_text()
    finally:
        for child in children:
            child.send_signal(signal.SIGKILL)
    won = [json.loads((tmp_path / f"got{number}").read_text()) for number in range(many)]
    assert [sum(turn) for turn in zip(*won, strict=True)] == [1] * turns


def test_an_owner_that_lives_keeps_it_and_gives_it_back(place: Path) -> None:
    mine, other = Leases(), Leases()
    held = mine.acquire(place)
    assert held is not None and mine.acquire(place) is held
    assert taken(other, place, 1.5) is None  # two and a half times as long as it lasts
    held.check()
    mine.release(place)
    assert lease.number_of(place) == 0 and other.acquire(place) is not None
    with pytest.raises(LeaseLost, match="another runner has taken over"):
        held.check()  # the same number, and another owner
    held.beat(now=True)
    other.held[place].check()
    mine.close(), other.close()
    assert list(place.iterdir()) == []


def test_an_owner_on_another_machine_that_shows_no_life_loses_it(place: Path) -> None:
    mine, other = Leases(), Leases()
    held = mine.acquire(place)
    assert held is not None
    silence(mine)
    elsewhere(held)
    waited = taken(other, place, 5.0)
    assert waited is not None and waited >= 0.6
    assert lease.number_of(place) == 2 and len(list(place.iterdir())) == 1
    with pytest.raises(LeaseLost):
        held.check()
    mine.release(place)  # it is not his to give back
    other.held[place].check()


def test_a_process_of_this_machine_that_has_ended_is_not_waited_for(place: Path, tmp_path: Path) -> None:
    def work() -> int:
        held = Leases().acquire(place)
        assert held is not None
        Lease.joined(place, held.key).beat(now=True)
        os._exit(9)

    assert Child(pid=fork(work, tmp_path / "log")).wait() == 9
    assert len(lease.signs(place, 1)) == 2 and lease.owner(place) is None
    assert Leases().acquire(place) is not None


def test_a_runner_that_has_ended_is_waited_for_while_its_cell_lives(place: Path) -> None:
    mine = Leases()
    held = mine.acquire(place)
    assert held is not None
    silence(mine)  # else it may show life once more
    lease.write_sign(place / "lease.1" / "runner", replace(held.sign, process=2**22 + 1))
    cell = Lease.joined(place, held.key)
    cell.beat(now=True)
    other = Leases()
    assert not other.over(place)
    lease.write_sign(place / "lease.1" / "cell", replace(cell.sign, process=2**22 + 1))
    assert other.over(place)


def test_no_clock_but_the_readers_own_counts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = Leases(), Leases()
    held = mine.acquire(place)
    assert held is not None
    elsewhere(held)
    for skew in (-86400.0, 365 * 86400.0):
        monkeypatch.setattr(time, "time", lambda skew=skew: 1.7e9 + skew)
        os.utime(place / "lease.1" / "runner", (0, 0))
        assert not other.over(place)
    assert not {"time.time(", "st_mtime", "datetime"} & set(Path(lease.__file__).read_text().split())


def test_time_in_which_the_reader_slept_does_not_count(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that was closed, a machine that was paused: owners on it must get their chance after it, too."""
    mine, other = Leases(), Leases()
    held = mine.acquire(place)
    assert held is not None
    silence(mine)
    elsewhere(held)
    now = time.monotonic()
    clock = [now]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    assert not other.over(place)
    clock[0] += 1000.0
    assert not other.over(place)
    lease.write_sign(place / "lease.1" / "runner", replace(held.sign, machine="another", beat=7))
    assert not other.over(place)
    for _ in range(7):
        clock[0] += 0.1
        over = other.over(place)
    assert over


def test_a_lease_without_any_sign_of_life_is_waited_for_and_taken(place: Path) -> None:
    (place / "lease.3").mkdir(parents=True)  # killed between mkdir and the first sign
    other = Leases()
    assert other.acquire(place) is None
    waited = taken(other, place, 5.0)
    assert waited is not None and waited >= 0.4 and lease.number_of(place) == 4


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"token": 1}', bytes(20)])
def test_damaged_signs_are_waited_for_and_cost_their_owner_the_lease(place: Path, content: bytes) -> None:
    mine = Leases()
    held = mine.acquire(place)
    assert held is not None
    silence(mine)
    (place / "lease.1" / "runner").write_bytes(content)
    with pytest.raises(LeaseLost):
        held.check()
    assert taken(Leases(), place, 5.0) is not None


def test_who_has_lost_a_cell_writes_nothing_any_more(place: Path) -> None:
    mine, other = Leases(), Leases()
    held = mine.acquire(place)
    assert held is not None
    folder = CellFolder(place, held)
    folder.samples.mkdir()
    folder.append_history({"step": 1})
    silence(mine)
    elsewhere(held)
    assert taken(other, place, 5.0) is not None
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    origin = Provenance(ganbench="0", versions={}, plugins={}, dataset="", extractor="", device="cpu")
    writers: dict[str, Callable[[], Any]] = {
        "write_provenance": lambda: folder.write_provenance(origin),
        "append_history": lambda: folder.append_history({}),
        "append_snapshot": lambda: folder.append_snapshot({}),
        "replace_snapshots": lambda: folder.replace_snapshots([]),
        "rewind": lambda: folder.rewind(-1, 0),
        "write_progress": lambda: folder.write_progress({}),
        "write_checkpoint": lambda: folder.write_checkpoint(1, b"x"),
        "save_generator": lambda: folder.save_generator(1, {}),
        "save_result": lambda: folder.save_result(RunResult(status="done")),
        "drop_checkpoints": folder.drop_checkpoints,
        "forget": folder.forget,
        "tidy": folder.tidy,
    }
    for name, write in writers.items():
        with pytest.raises(LeaseLost):
            write()
            pytest.fail(name)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_a_late_taker_makes_way_for_who_has_begun_anew(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It judged the lease dead, paused, and meanwhile the owner gave it back and somebody else has it."""
    mine, late, third = Leases(), Leases(), Leases()
    mine.acquire(place)

    def judge(place: Path) -> bool:
        mine.release(place)
        assert third.acquire(place) is not None
        mine.acquire  # noqa: B018
        shutil.move(place / "lease.1", place / "lease.2")
        return True

    (place / "lease.1").rename(place / "lease.5")
    mine.held[place].number = 5
    monkeypatch.setattr(late, "over", judge)
    assert late.acquire(place) is None
    assert lease.number_of(place) == 2


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_where_nothing_can_be_written_there_is_nothing_to_protect(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(self: Path, *arguments: Any, **how: Any) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with Leases().hold(place, lambda: None):
        pass
    with pytest.raises(StoreError, match=r"lease\.1: cannot be written"):
        Leases().acquire(place)


def test_errors_of_a_network_that_pass_cost_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Leases()
    held = mine.acquire(place)
    assert held is not None
    silence(mine)
    read, failures, beats = Path.read_bytes, [errno.ESTALE, errno.EIO], held.sign.beat

    def flaky(self: Path) -> bytes:
        if failures:
            raise OSError(failures.pop(), "it passes")
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", flaky)
    held.check()
    assert failures == [] and held.sign.beat == beats
