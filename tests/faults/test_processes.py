"""Cells that hang, crash, run out of memory, talk without end or outlive their runner: the others finish, and one line
names the culprit."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fault_plugins
import pytest
from fault_plugins import Child, fork

from ganbench import process
from ganbench.blame import last_place
from ganbench.cell_folder import CellFolder
from ganbench_zoo.executors import local, memory

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "DUMP_SECONDS", 0.2)
    monkeypatch.setattr(local, "SAVE_SECONDS", 0.5)


def states(outcome: Any) -> dict[str, str]:
    return {next(iter(p.cell.levels.values()), "baseline"): p.state for p in outcome.planned}


def reason(outcome: Any) -> str:
    (failed,) = [p for p in outcome.planned if p.state == "failed"]
    assert failed.result.steps == 3 and failed.result.peak_memory_mib > 0
    return str(failed.reason)


@pytest.mark.parametrize("kind", ["spin", "sleep"])
def test_a_cell_that_hangs_is_ended_and_says_where(lab: Make, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    one = lab(levels=1, seeds=1, hang_seconds=0.5)
    monkeypatch.setenv("GANBENCH_FAULT", f"{kind}:x-a:3:always")
    outcome = one.run()
    assert outcome.code == 3 and states(outcome) == {"baseline": "done", "a": "failed"}
    said = reason(outcome)
    assert said.startswith("no progress for 0.5 s in misbehave (fault_plugins.py:") and said.endswith(", 2 times")
    (log,) = (path.read_text() for path in one.folder.path.glob("cells/x-a*/log.txt"))
    assert log.count("(most recent call first):") >= 2


def test_what_hung_once_ends_the_same(lab: Make, straight: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = straight(levels=0, seeds=1)
    one = lab(levels=0, seeds=1, hang_seconds=0.5)
    monkeypatch.setenv("GANBENCH_FAULT", "spin:*:7:once")
    assert one.run().code == 0 and one.left() == wanted


def test_what_a_hanging_cell_has_started_ends_with_it(lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lab(levels=0, seeds=1, hang_seconds=0.5)
    monkeypatch.setenv("GANBENCH_FAULT", "grandchild:*:3:once")
    assert one.run().code == 0
    (pid,) = (int(path.read_text()) for path in one.folder.path.rglob("grandchild"))
    one.wait(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


def test_a_crash_names_its_place(lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lab(levels=1, seeds=1)
    monkeypatch.setenv("GANBENCH_FAULT", "segfault:x-a:3:always")
    outcome = one.run()
    assert states(outcome) == {"baseline": "done", "a": "failed"}
    said = reason(outcome)
    assert said.startswith("the process was killed by SIGSEGV in misbehave (fault_plugins.py:")
    assert said.endswith(", 3 times")


def test_the_innermost_place_that_is_not_a_librarys_is_named() -> None:
    log = [
        "Thread 0x01 (most recent call first):",
        '  File "/a/other.py", line 1 in idle',
        "",
        "Current thread 0x02 (most recent call first):",
        '  File "/x/site-packages/torch/nn/functional.py", line 9 in conv',
        '  File "/home/me/my_trick.py", line 12 in extra_loss',
        '  File "/y/ganbench/train/loop.py", line 3 in train',
    ]
    assert last_place(log) == " in extra_loss (my_trick.py:12)"
    assert last_place(log[:3]) == " in idle (other.py:1)"
    mine = '  File "/home/me/ganbench/my_trick.py", line 3 in view'  # in a checkout of this project, as it is called
    inside = f'  File "{process.__file__}", line 7 in work'
    assert last_place(["Current thread 0x2 (most recent call first):", inside, mine]) == " in view (my_trick.py:3)"
    assert last_place(log[3:5]) == " in conv (functional.py:9)" and last_place(["killed"]) == ""


def test_lack_of_memory_is_tried_once_more_alone_and_then_counts(lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lab(levels=1, seeds=2, jobs=3, step=0.01)
    killed = itertools.count()
    monkeypatch.setattr(memory, "kills", lambda: next(killed))
    monkeypatch.setenv("GANBENCH_FAULT", "kill:x-a-s0:3:always")
    outcome = one.run()
    assert outcome.code == 3
    said = reason(outcome)
    assert said.startswith("out of memory: the system killed the process at ") and said.endswith(" MiB, 2 times")
    assert any(line.endswith("it goes on from its last checkpoint, alone") for line in one.view.said)
    lines = one.work()
    last = max(index for index, line in enumerate(lines) if line.startswith("resumed x-a-s0"))
    assert sum(line.startswith("finished") for line in lines[:last]) == 3  # it waited for all others


@pytest.mark.parametrize("before", [None, 7])
def test_a_kill_is_no_lack_of_memory_unless_the_system_says_so(monkeypatch: pytest.MonkeyPatch, before: Any) -> None:
    monkeypatch.setattr(memory, "kills", lambda: before)
    assert not memory.was_short(before)
    assert memory.peak_mib(os.getpid()) > 1 and memory.peak_mib(2**22 + 1) == 0.0


def test_a_log_without_end_is_cut_in_the_middle(lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lab(levels=0, seeds=1)
    monkeypatch.setenv("GANBENCH_FAULT", "print:*:3:once")
    assert one.run().code == 0
    (log,) = one.folder.path.rglob("log.txt")
    assert log.stat().st_size < 1.2 * process.LOG_BYTES
    assert "bytes left out" in log.read_text()


def test_a_short_log_is_left_alone_and_a_long_one_keeps_both_ends(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"x" * process.LOG_BYTES)
    process.shorten(log)
    assert log.stat().st_size == process.LOG_BYTES
    log.write_bytes(b"first\n" + b"x" * process.LOG_BYTES + b"\nlast\n")
    process.shorten(log)
    content = log.read_bytes()
    assert content.startswith(b"first\n") and content.endswith(b"\nlast\n") and len(content) < process.LOG_BYTES
    process.shorten(tmp_path / "none")


def test_a_suspended_machine_is_no_hang(lab: Make) -> None:
    one = lab(levels=0, seeds=1, step=0.1, hang_seconds=1.5)
    runner = one.start()
    one.wait(lambda: len(one.work()) > 4)
    everything = [runner.pid, *one.pids()]
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(runner.pid, signal.SIGCONT)  # the runner first: it must not judge by the gap
    time.sleep(0.3)
    for pid in everything[1:]:
        os.kill(pid, signal.SIGCONT)
    assert runner.wait() == 0 and "no progress" not in one.said(runner)
    assert sum(line.startswith("resumed") for line in one.work()) == 1


def test_an_orphan_that_listens_to_nobody_ends_all_the_same(lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lab(levels=0, seeds=1)
    monkeypatch.setenv("GANBENCH_FAULT", "spin:*:3:always")
    runner = one.start()
    one.wait(lambda: list(one.root.rglob("misbehaved")) and one.pids())
    (pid,) = one.pids()
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    one.wait(lambda: not Path(f"/proc/{pid}").exists(), seconds=6.0)


def test_a_machine_that_starts_no_more_processes_is_told(lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    one = lab(levels=0, seeds=1)
    with monkeypatch.context() as patch:
        patch.setattr(fault_plugins.ForkingWorkers, "_fork", refuse)
        outcome = one.run()
    assert outcome.code == 3 and "no process can be started (Too many open files)" in outcome.reason
    assert one.run().code == 0


def test_a_cell_that_has_lost_its_lease_ends_at_once(tmp_path: Path) -> None:
    """Even one that computes without ever looking: the thread beside it does."""
    from ganbench.lease import Lease, Leases

    place = tmp_path / "cell"
    held = Leases().acquire(place)
    assert held is not None

    def work() -> int:
        process.follow_parent(CellFolder(place, Lease.joined(place, held.key)))
        while True:
            pass

    child = Child(pid=fork(work, tmp_path / "log"))
    time.sleep(0.2)
    (place / "lease.2").mkdir()
    assert child.wait(20.0) in (process.REQUEUE, -signal.SIGKILL)
