"""A fork server that is started before anybody knows what will run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from subprocess import Popen

import pytest

from ganbench import ConfigError, Job, RunOptions
from ganbench_zoo.executors import forked
from ganbench_zoo.executors.local import Local, LocalWorkers

pytestmark = pytest.mark.skipif(not forked.available(), reason="cells are forked on Linux only")


def waiting() -> Popen[bytes]:
    (server,) = forked._warm.values()
    return server


def ran_one(folder: Path, threads: int) -> LocalWorkers:
    """The executor after a job that fails at once, for its folder holds no cell."""
    folder.mkdir()
    workers = Local().start(RunOptions(device="cpu"), 1, threads, print)
    argv = (sys.executable, "-m", "ganbench.process", str(folder))
    workers.submit(Job(cell="none", folder=folder, argv=argv, threads=threads))
    deadline = time.monotonic() + 100
    while not (exits := workers.poll()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert exits[0].code not in (None, 0)
    return workers


def test_the_first_cell_is_forked_from_it(tmp_path: Path) -> None:
    with Local().warm():
        server = waiting()
        workers = ran_one(tmp_path / "cell", threads=1)
        assert workers.forks is not None and workers.forks.server is server and not forked._warm
        workers.stop(1.0)
    assert server.poll() is not None


def test_a_server_that_nobody_takes_is_ended() -> None:
    with pytest.raises(ConfigError), Local().warm():
        server = waiting()
        raise ConfigError("the suite is wrong")
    assert server.poll() is not None and not forked._warm


def test_cells_of_several_threads_do_not_take_it() -> None:
    with Local().warm():
        forks = Local().start(RunOptions(device="cpu"), 1, 2, print).forks
        assert forks is not None and frozenset(forks.environment.items()) not in forked._warm


def test_there_is_none_without_a_fork_server() -> None:
    with Local(fork_server=False).warm():
        assert not forked._warm
