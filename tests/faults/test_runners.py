"""Several runners on one results folder: each cell is run once, and all of them tell the same in the end."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganbench import lease
from ganbench.commands.look import status_of

Make = Callable[..., Any]
SMALL = {"levels": 2, "seeds": 2}


def race(lab: Make, wanted: dict[str, str], runners: int, rng: random.Random | None, **shape: Any) -> None:
    """With `rng`, one of the runners is killed at a random moment."""
    one = lab(**shape)
    started = [one.start() for _ in range(runners)]
    victim = None
    if rng is not None:
        lines = rng.randrange(1, 20 * shape["levels"] * shape["seeds"])
        victim = rng.choice(started)
        one.wait(lambda: len(one.work()) > lines or victim.poll() is not None)
        victim.send_signal(signal.SIGKILL)
    for runner in started:
        code = runner.wait()
        assert code == 0 or runner is victim, one.said(runner)
    cells = len(one.folder.cell_paths())
    assert one.left() == wanted
    assert set(one.done().values()) == {1} and len(one.done()) == cells
    for runner in started:
        assert f"'done': {cells}" in one.said(runner) or runner is victim


def test_runners_share_the_work_and_run_nothing_twice(lab: Make, straight: Make) -> None:
    race(lab, straight(**SMALL), 3, None, **SMALL)


def test_the_cells_of_a_killed_runner_are_taken_over(lab: Make, straight: Make, rng: random.Random) -> None:
    shape = SMALL | {"step": 0.01}
    race(lab, straight(**shape), 2, rng, **shape)


def test_from_another_machine_too_once_the_lease_is_over(
    lab: Make, straight: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = straight(levels=0, seeds=2)
    one = lab(levels=0, seeds=2, step=0.1)
    monkeypatch.setattr(lease, "this_machine", lambda: "another")
    first = one.start()
    one.wait(lambda: len(one.pids()) == 2 and len(one.work()) > 8)
    monkeypatch.setattr(lease, "this_machine", lambda: "this one")
    second = one.start()
    one.wait(lambda: "2 cells are with other runners: waiting for them" in one.said(second))
    pids = one.pids()
    first.send_signal(signal.SIGKILL)
    first.wait()
    killed = time.monotonic()
    one.wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    one.wait(lambda: any(pid not in pids for pid in one.pids()))
    assert time.monotonic() - killed > lease.SECONDS  # it cannot know earlier
    assert second.wait() == 0 and one.left() == wanted
    assert set(one.done().values()) == {1}


def test_a_paused_runner_whose_cells_go_on_keeps_them(lab: Make, straight: Make) -> None:
    wanted = straight(levels=0, seeds=2)
    one = lab(levels=0, seeds=2, step=0.15)
    first = one.start()
    one.wait(lambda: len(one.pids()) == 2 and len(one.work()) > 4)
    first.send_signal(signal.SIGSTOP)
    second = one.start()
    one.wait(lambda: len(one.done()) == 2)
    first.send_signal(signal.SIGCONT)
    assert (first.wait(), second.wait()) == (0, 0)
    assert one.left() == wanted and set(one.done().values()) == {1}
    assert sum(line.startswith("resumed") for line in one.work()) == 2


def test_what_was_paused_for_too_long_has_lost_its_cells(
    lab: Make, straight: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runner and cells are stopped (a laptop is closed); a runner elsewhere takes over; then the first ones wake up."""
    wanted = straight(levels=0, seeds=2)
    one = lab(levels=0, seeds=2, step=0.1)
    monkeypatch.setattr(lease, "this_machine", lambda: "another")
    first = one.start()
    one.wait(lambda: len(one.pids()) == 2 and len(one.work()) > 8)
    pids = one.pids()
    for pid in (*pids, first.pid):
        os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(lease, "this_machine", lambda: "this one")
    second = one.start()
    one.wait(lambda: any(pid not in pids for pid in one.pids()))
    for pid in (first.pid, *pids):
        os.kill(pid, signal.SIGCONT)
    assert (first.wait(), second.wait()) == (0, 0), one.said(first)
    assert "another one has taken over" in one.said(first)
    assert one.left() == wanted and set(one.done().values()) == {1}


def test_two_runners_that_are_told_to_retry_do_so_once(lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lab(levels=1, seeds=1)
    monkeypatch.setenv("GANBENCH_FAULT", "exit:x-a:3:always")
    assert one.run().code == 3
    monkeypatch.setenv("GANBENCH_FAULT", "pause:x-a:1:always")
    runners = [one.start(retry=frozenset({"failed"})) for _ in range(2)]
    assert [runner.wait() for runner in runners] == [0, 0]
    assert set(one.done().values()) == {1}


def test_both_take_the_second_look(lab: Make) -> None:
    one = lab(levels=2, seeds=2)
    one.suite = replace(one.suite, top_up=3)
    runners = [one.start() for _ in range(2)]
    assert [runner.wait() for runner in runners] == [0, 0], one.said(runners[0])
    looks = one.folder.read_looks()
    assert looks is not None and looks["second"]["levels"]
    assert set(one.done().values()) == {1}
    assert one.said(runners[0]).count("'done': ") == 1
    cells = len(one.folder.cell_paths())
    assert all(f"'done': {cells}" in one.said(runner) for runner in runners) and cells > 6


def test_status_shows_which_runner_has_a_cell(lab: Make) -> None:
    one = lab(levels=0, seeds=1, step=0.2)
    runner = one.start()
    one.wait(lambda: len(one.work()) > 1)
    (cell,) = status_of(one.folder)["cells"]
    assert cell["state"] == "running" and cell["process"] == runner.pid and len(cell["runner"]) == 8
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    one.wait(lambda: not one.pids())
    (cell,) = status_of(one.folder)["cells"]
    assert cell["state"] == "interrupted" and cell["runner"] is None


@pytest.mark.soak
@pytest.mark.parametrize("part", range(5))
def test_four_runners_ten_times(lab: Make, straight: Make, rng: random.Random, part: int) -> None:
    shape = {"levels": 4, "seeds": 4}
    wanted = straight(**shape)
    for turn in range(10):
        race(lab, wanted, 4, rng if turn % 2 else None, **shape)
