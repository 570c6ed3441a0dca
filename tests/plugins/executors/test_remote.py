from __future__ import annotations

import _thread
import sys
import time
from pathlib import Path

import pytest

from ganbench import Job, RunOptions
from ganbench_zoo.executors.local import LocalWorkers
from ganbench_zoo.executors.remote import Errand, errand

SAVES = """
import pathlib, signal, sys, time
place = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: ((place / "saved").touch(), sys.exit(75)))
(place / "ready").touch()
time.sleep(60)
"""


def test_a_cell_that_is_cancelled_while_it_starts_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = LocalWorkers._spawn

    def spawn(self: LocalWorkers, job: Job, environment: dict[str, str]) -> object:
        process = start(self, job, environment)
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        _thread.interrupt_main()  # as a cluster cancels; the process is not yet in anybody's list
        time.sleep(0.1)
        return process

    monkeypatch.setattr(LocalWorkers, "_spawn", spawn)
    job = Job(cell="cell", folder=tmp_path, argv=(sys.executable, "-c", SAVES, str(tmp_path)))
    said = errand(Errand, job, RunOptions(device="cpu"))()
    assert said["code"] == 75 and (tmp_path / "saved").exists()
