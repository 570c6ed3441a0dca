"""Ctrl-C at random moments: cells save, nothing is left behind, and the same command goes on."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


def interrupt(one: Any, number: int, moment: float) -> tuple[int, float]:
    """Returns the exit code and the seconds until the end."""
    runner = one.start()
    time.sleep(moment)
    runner.send_signal(number)
    sent = time.monotonic()
    return runner.wait(), time.monotonic() - sent


def interrupted(lab: Make, wanted: dict[str, str], times: int, rng: random.Random, **shape: Any) -> None:
    one = lab(**shape)
    slowest = 0.0
    for turn in range(times):
        if one.root.exists() and len(one.done()) == len(wanted) - 3:  # all cells; the reports are three
            assert one.left() == wanted and set(one.done().values()) == {1}
            one = lab(**shape)
        number = rng.choice([signal.SIGINT, signal.SIGTERM])
        code, seconds = interrupt(one, number, rng.uniform(0.0, 1.2))
        slowest = max(slowest, seconds)
        # 0: it was already done; 1: KeyboardInterrupt before the suite was under way, which the command line tells
        early = 1 if number == signal.SIGINT else -signal.SIGTERM
        assert code in (0, early, 130 if number == signal.SIGINT else 75), (turn, one.said(one.runners[-1]))
        assert not one.pids(), "cells outlive their runner"
    assert one.run().code == 0
    assert one.left() == wanted and set(one.done().values()) == {1}
    print(f"{times} interrupts, the slowest took {slowest:.1f} s")
    assert slowest < 10.0


def test_interrupted_at_random_moments_it_goes_on(lab: Make, straight: Make, rng: random.Random) -> None:
    shape = {"levels": 1, "seeds": 2, "step": 0.03}
    interrupted(lab, straight(**shape), 4, rng, **shape)


@pytest.mark.soak
def test_fifty_interrupts(lab: Make, straight: Make, rng: random.Random) -> None:
    shape = {"levels": 4, "seeds": 4, "step": 0.02}
    interrupted(lab, straight(**shape), 50, rng, **shape)
