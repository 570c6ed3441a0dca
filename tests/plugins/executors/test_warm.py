"""A fork server that is started before anybody knows what will run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from ganbench import ConfigError, Job, RunOptions
from ganbench_zoo.executors import forked
from ganbench_zoo.executors.local import Local, LocalWorkers, environment_of

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


def test_one_that_dies_before_its_first_cell_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Local().warm():
        server = waiting()
        server.kill()
        server.wait()
        workers = ran_one(tmp_path / "cell", threads=1)
        assert workers.forks is not None and workers.forks.server not in (server, None)
        workers.stop(1.0)
    assert capsys.readouterr().out == ""


ANSWERS = 'read job; echo "{\\"started\\": $$}"'  # and dies


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Popen[bytes]]]]:
    """Servers are from now on those of these scripts, one after the other."""
    made: list[Popen[bytes]] = []

    def follow(*scripts: str) -> list[Popen[bytes]]:
        def start(environment: object) -> Popen[bytes]:
            made.append(Popen(["sh", "-c", scripts[len(made)]], stdin=PIPE, stdout=PIPE))
            return made[-1]

        monkeypatch.setattr(forked, "start", start)
        return made

    yield follow
    for server in made:
        forked.end(server)


def test_two_that_die_are_enough(tmp_path: Path, servers: Callable[..., list[Popen[bytes]]]) -> None:
    made = servers("exit 1", "exit 1")
    with Local().warm():
        made[0].wait()
        with pytest.raises(OSError, match="the fork server did not start"):
            forked.ForkServer(environment=environment_of(1)).fork([], tmp_path / "log.txt", {})
    assert len(made) == 2


def test_a_cell_is_not_started_twice_when_its_server_dies_at_once(
    tmp_path: Path, servers: Callable[..., list[Popen[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = servers(ANSWERS)
    monkeypatch.setattr(forked.time, "sleep", lambda seconds: made[0].wait())
    cell = forked.ForkServer(environment={}).fork([], tmp_path / "log.txt", {})
    made[0].wait()
    assert cell.pid == made[0].pid and cell.poll() == forked.LOST


def test_cells_of_a_server_that_has_died_are_lost_though_the_next_one_is_there(
    tmp_path: Path, servers: Callable[..., list[Popen[bytes]]]
) -> None:
    made = servers(f"{ANSWERS}; read more", f"{ANSWERS}; read more")
    forks = forked.ForkServer(environment={})
    first = forks.fork([], tmp_path / "log.txt", {})
    assert first.poll() is None
    made[0].kill()
    made[0].wait()
    second = forks.fork([], tmp_path / "log.txt", {})
    assert (first.poll(), second.poll()) == (forked.LOST, None)


def test_cells_of_several_threads_do_not_take_it() -> None:
    with Local().warm():
        forks = Local().start(RunOptions(device="cpu"), 1, 2, print).forks
        assert forks is not None and frozenset(forks.environment.items()) not in forked._warm


def test_there_is_none_without_a_fork_server() -> None:
    with Local(fork_server=False).warm():
        assert not forked._warm
