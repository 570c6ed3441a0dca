"""Checkpoints take their share of the time, and no more, however slow the disk is."""

from __future__ import annotations

import time

import pytest

from ganbench.cadence import SAVING_SHARE, Cadence


def share(monkeypatch: pytest.MonkeyPatch, seconds: float, takes: float, evaluations: float) -> tuple[float, int]:
    """Of an hour that goes into checkpoints, and how many there are."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    cadence, saves, next_evaluation = Cadence(seconds=seconds, saved_at=0.0), 0, evaluations
    while clock[0] < 3600:
        clock[0] += 0.5
        evaluated = clock[0] >= next_evaluation
        next_evaluation += evaluations * evaluated
        if cadence.due(evaluated):
            started = clock[0]
            clock[0] += takes
            cadence.saved(started)
            saves += 1
    return saves * takes / clock[0], saves


@pytest.mark.parametrize("takes", [0.01, 1.0, 5.0, 60.0])
@pytest.mark.parametrize("seconds", [0.001, 10.0, 60.0])
def test_saving_keeps_to_its_share(monkeypatch: pytest.MonkeyPatch, seconds: float, takes: float) -> None:
    spent, saves = share(monkeypatch, seconds, takes, evaluations=30.0)
    assert spent <= SAVING_SHARE * 1.05 and saves >= 2


def test_a_fast_disk_gets_what_the_suite_asks_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert share(monkeypatch, 60.0, 0.01, evaluations=1e9)[1] == 59
    assert capsys.readouterr().out == ""
    share(monkeypatch, 60.0, 6.0, evaluations=1e9)
    assert capsys.readouterr().out == "a checkpoint takes 6.0 s: from now on a kill costs 114 s at the most\n"
