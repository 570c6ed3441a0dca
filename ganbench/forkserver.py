"""A process that has torch imported and forks one child per cell: a cell starts in milliseconds, not in seconds.

`python -m ganbench.forkserver` reads one JSON line per cell from standard input, with "arguments" of
`ganbench.process`, "log" and "environment", and answers on standard output: {"started": PID} at once, {"ended": PID,
"code": CODE} when it is over. Each cell is still a process of its own, so a crash costs one cell. The server itself
never computes and never touches a GPU: a fork is safe only before either has begun. When standard input closes, the
runner is gone: cells are told to save, and it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
import traceback
from typing import Any

from ganbench import process
from ganbench.redact import redact_output


def main() -> int:
    preload()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the runner
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    children: set[int] = set()
    buffer = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [], 1.0)
        if wake in ready:
            os.read(wake, 4096)
        reap(children)
        if 0 not in ready:
            continue
        received = os.read(0, 65536)
        if not received:
            break
        *lines, buffer = (buffer + received).split(b"\n")
        for line in lines:
            pid = fork(json.loads(line), close=(wake, woken))
            children.add(pid)
            say({"started": pid})
    end(children)
    return 0


def end(children: set[int]) -> None:
    """Cells save and stop; those that do not are killed, with all that they have started."""
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + process.GRACE_SECONDS
    while children and time.monotonic() < deadline:
        reap(children)
        time.sleep(0.02)
    for pid in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def preload() -> None:
    """What every cell imports; torch loads its compiler lazily, when the first optimiser is made."""
    import torch._dynamo  # noqa: F401

    import ganbench.rescore
    import ganbench.run  # noqa: F401


def reap(children: set[int]) -> None:
    """Report the children that have ended."""
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.discard(pid)
            say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def say(message: dict[str, int]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, (json.dumps(message) + "\n").encode())


def fork(job: dict[str, Any], close: tuple[int, ...]) -> int:
    """Start the cell; returns its process id, and in the child never."""
    server = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in close:
            os.close(descriptor)
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        redact_output()  # by lines: a killed cell keeps its last ones
        os.environ.update(job["environment"] | {"GANBENCH_RUNNER": str(server)})
        code = process.main(job["arguments"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
