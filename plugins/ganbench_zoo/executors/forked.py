"""The runner's side of `ganbench.forkserver`: cells that start in milliseconds, because torch is imported once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 120.0  # for importing torch, on a slow disk
LOST = 75  # the code of a cell whose server died: it was told to save, and may go on


class Died(OSError):
    """A server is gone before it has started a cell."""


@dataclass
class Forked:
    """A cell's process, as far as its server tells of it; has what Local needs of a subprocess.Popen."""

    server: ForkServer
    pid: int
    code: int | None = None

    def poll(self) -> int | None:
        if self.code is None:
            self.server.listen()
        return self.code

    def send_signal(self, number: int) -> None:
        if self.code is None:
            os.kill(self.pid, number)

    def wait(self) -> int:
        while (code := self.poll()) is None:
            time.sleep(0.01)
        return code


@dataclass
class ForkServer:
    """Started with the first cell, ended by closing its standard input."""

    environment: Mapping[str, str]
    server: subprocess.Popen[bytes] | None = None
    children: dict[int, Forked] = field(default_factory=dict)
    buffer: bytes = b""
    started: list[Forked] = field(default_factory=list)

    def fork(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> Forked:
        """Start a cell, from another server if this one dies first. Raises OSError when that does not come up either;
        then the cell needs a process of its own."""
        job = {"arguments": list(arguments), "log": str(log), "environment": dict(environment)}
        line = (json.dumps(job) + "\n").encode()
        try:
            return self._ask(line)
        except Died:
            return self._ask(line)

    def _ask(self, line: bytes) -> Forked:
        if self.server is None or self.server.poll() is not None:
            self._start()
        assert self.server is not None and self.server.stdin is not None
        try:
            self.server.stdin.write(line)
            self.server.stdin.flush()
        except BrokenPipeError:
            self.server.wait()  # it is about to be gone
        deadline = time.monotonic() + START_SECONDS
        while not self.started:
            dead = self.server.poll() is not None
            self.listen()  # what it said before it died counts
            if dead and not self.started:
                self.close()
                raise Died("the fork server did not start")
            if time.monotonic() > deadline:
                raise OSError(f"the fork server did not start in {START_SECONDS:g} s")
            time.sleep(0.005)
        return self.started.pop(0)

    def listen(self) -> None:
        """Take in what the server has said since the last time."""
        if self.server is None or self.server.stdout is None:
            return
        with contextlib.suppress(BlockingIOError):
            while received := os.read(self.server.stdout.fileno(), 65536):
                self.buffer += received
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "started" in message:
                child = self.children[message["started"]] = Forked(server=self, pid=message["started"])
                self.started.append(child)
            else:
                self.children.pop(message["ended"]).code = message["code"]
        if self.server.poll() is not None and self.children:
            for child in self.children.values():
                child.code = LOST
            self.children.clear()

    def close(self) -> None:
        if self.server is not None:
            end(self.server, seconds=5.0)
            self.server = None

    def _start(self) -> None:
        self.listen()  # the cells of one that has died are lost
        self.close()
        self.buffer, self.started = b"", []
        self.server = _warm.pop(frozenset(self.environment.items()), None) or start(self.environment)
        assert self.server.stdout is not None
        os.set_blocking(self.server.stdout.fileno(), False)


_warm: dict[frozenset[tuple[str, str]], subprocess.Popen[bytes]] = {}  # environment -> a server that nobody uses yet


@contextlib.contextmanager
def warm(environment: Mapping[str, str]) -> Iterator[None]:
    """A server that imports torch from now on, for the first who needs one of this environment."""
    key = frozenset(environment.items())
    server = _warm[key] = start(environment)
    try:
        yield
    finally:
        if _warm.get(key) is server:
            del _warm[key]
            end(server)


def start(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ganbench.forkserver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | environment,
        start_new_session=True,
    )


def end(server: subprocess.Popen[bytes], seconds: float = 0.0) -> None:
    """Without standard input it ends by itself, in so many seconds; or is killed, for what it only imports."""
    assert server.stdin is not None and server.stdout is not None
    with contextlib.suppress(OSError):
        server.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(seconds)
    server.kill()
    server.wait()
    server.stdout.close()


def available() -> bool:
    """Whether this system forks safely: macOS's frameworks do not, Windows cannot."""
    return sys.platform == "linux" and hasattr(signal, "SIGCHLD")
