"""SIGKILL, at any moment, of cells and of runners: nothing unreadable, nothing lost, nothing done twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_plugins import CHECKPOINT, STEPS

Make = Callable[..., Any]


def kill_cells(one: Any, kills: int, rng: random.Random) -> int:
    """Kill random cells at random moments while a runner works; returns how many were hit."""
    hits = 0
    while hits < kills:
        runner = one.start()
        while hits < kills and runner.poll() is None:
            time.sleep(rng.uniform(0.0, 0.05))
            if pids := one.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(pids), signal.SIGKILL)
                    hits += 1
        if hits < kills:
            assert runner.wait() in (0, 3), one.said(runner)
            if one.run(retry=frozenset({"failed"})).code == 0 and hits < kills:
                start_over(one)
        else:
            runner.wait()
    return hits


def start_over(one: Any) -> None:
    """The suite is done before all kills were: another round on fresh folders."""
    check(one)
    for path in one.folder.cell_paths():
        one.folder.cell(path.name).forget()
    (one.root / "work.log").rename(one.root / f"work{time.time_ns()}.log")


def check(one: Any) -> None:
    """Each cell came to its end once, and no step beyond what a kill may cost was done again."""
    cells = len(one.folder.cell_paths())
    done = one.done()
    assert len(done) == cells and set(done.values()) == {1}, done


def lost_steps(one: Any) -> int:
    """Steps that were done and had to be done again."""
    steps = Counter(line for log in one.root.glob("work*.log") for line in log.read_text().splitlines())
    rounds = len(list(one.root.glob("work*.log")))
    return sum(max(count - rounds, 0) for line, count in steps.items() if line.startswith("step"))


def damaged(one: Any) -> list[Path]:
    return list(one.root.rglob("*.corrupt"))


def test_killed_cells_cost_a_checkpoint_interval_each(lab: Make, straight: Make, rng: random.Random) -> None:
    shape = {"levels": 1, "seeds": 2, "step": 0.01}
    wanted = straight(**shape)
    one = lab(**shape)
    hits = kill_cells(one, 5, rng)
    one.run(retry=frozenset({"failed"}))
    assert one.left() == wanted and not damaged(one)
    check(one)
    assert lost_steps(one) <= hits * CHECKPOINT


def test_after_a_killed_runner_its_cells_end_and_the_next_one_goes_on(
    lab: Make, straight: Make, rng: random.Random
) -> None:
    shape = {"levels": 1, "seeds": 2, "step": 0.02}
    wanted = straight(**shape)
    one = lab(**shape)
    for _ in range(2):
        kill_runner(one, rng)
    assert one.run().code == 0
    assert one.left() == wanted and not damaged(one)
    check(one)


def kill_runner(one: Any, rng: random.Random) -> None:
    runner, before = one.start(), len(one.work())
    one.wait(lambda: len(one.work()) > before or runner.poll() is not None)
    time.sleep(rng.uniform(0, STEPS * 0.03))
    pids = one.pids()
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    one.wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), seconds=5.0)  # no orphans


@pytest.mark.soak
def test_a_hundred_killed_cells(lab: Make, straight: Make, rng: random.Random) -> None:
    shape = {"levels": 4, "seeds": 4, "step": 0.01}
    wanted = straight(**shape)
    one = lab(**shape)
    hits = kill_cells(one, 100, rng)
    one.run(retry=frozenset({"failed"}))
    assert hits >= 100 and one.left() == wanted and not damaged(one)
    check(one)
    print(f"{hits} kills, {lost_steps(one)} steps done again: {lost_steps(one) / hits:.2f} a kill, of {CHECKPOINT}")
    assert lost_steps(one) <= hits * CHECKPOINT


@pytest.mark.soak
def test_fifty_killed_runners(lab: Make, straight: Make, rng: random.Random) -> None:
    shape = {"levels": 4, "seeds": 4, "step": 0.02}
    wanted = straight(**shape)
    killed = 0
    while killed < 50:
        one = lab(**shape)
        while killed < 50 and (not one.root.exists() or len(one.done()) < 20):
            kill_runner(one, rng)
            killed += 1
        assert one.run().code == 0
        assert one.left() == wanted and not damaged(one)
        check(one)
