"""Programs of ours that do what may exit, crash or hang, in a process of their own: one JSON record a line.

Whoever looks at plugins of others starts one with `records`; the program itself writes through `Telling`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ganbench.errors import GanbenchError

Record = dict[str, Any]


class Died(GanbenchError):
    """The program ended before it said that it was done. The message says how: it reads on from "it"."""


@dataclass(frozen=True, kw_only=True)
class Telling:
    """The program's side. What else is printed in the process goes to stderr, so that it cannot spoil a record."""

    out: IO[str]

    @classmethod
    def start(cls) -> Telling:
        out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        return cls(out=out)

    def __call__(self, **record: Any) -> None:
        self.out.write(json.dumps(record) + "\n")
        self.out.flush()


def records(
    module: str, arguments: Sequence[str], *, first: float, seconds: float, folder: Path | None = None
) -> Iterator[Record]:
    """Runs `python -m module arguments` and yields its records, up to {"done": true}. Raises Died where the program
    ends without it, or says nothing for so many seconds (`first`: before its first record). Time in which it would run
    and has no core, on a busy machine, does not count."""
    # -P and PYTHONPATH: it sees the packages that this process sees, and not what lies in the working directory.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-P", "-m", module, *arguments]
    with tempfile.TemporaryFile() as errors:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        assert program.stdout is not None
        try:
            for record in _lines(program, first, seconds):
                if record.get("done"):
                    return
                yield record
            raise Died(_how(program.wait(), errors))
        finally:
            _kill(program)


def _lines(program: subprocess.Popen[bytes], first: float, seconds: float) -> Iterator[Record]:
    """Records as they come, up to the end of the pipe."""
    assert program.stdout is not None
    descriptor = program.stdout.fileno()
    held, patience = b"", first
    while True:
        started, waited = time.monotonic(), waiting(program.pid)
        while b"\n" not in held:
            left = patience - (time.monotonic() - started) + waiting(program.pid) - waited
            if left <= 0:
                raise Died(f"shows no progress for {patience:g} s")
            ready, _, _ = select.select([descriptor], [], [], max(left, 0.1))
            if not ready:
                continue
            read = os.read(descriptor, 65536)
            if not read:
                return
            held += read
        line, _, held = held.partition(b"\n")
        patience = seconds
        try:
            record = json.loads(line)
        except ValueError:  # whoever looks for the pipe finds it
            raise Died("writes where nothing but ganbench may write") from None
        yield record


def waiting(pid: int | str = "self") -> float:
    """Seconds that a process has stood ready and had no core, since it started; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _how(code: int, errors: IO[bytes]) -> str:
    """How a process ended that should not have, with the last line that it printed."""
    errors.seek(0)
    said = [line for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    last = f" ({' '.join(said[-1].split())[:200]})" if said and code else ""
    if code < 0:
        return f"is killed by {signal.Signals(-code).name}{last}"
    return f"ends the process with exit code {code}{last}"


def _kill(program: subprocess.Popen[bytes]) -> None:
    """The process and whatever it started."""
    try:
        os.killpg(program.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        program.kill()
    program.wait()
    if program.stdout is not None:
        program.stdout.close()
