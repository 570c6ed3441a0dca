"""The process of one cell: `python -m ganbench.process FOLDER`. Signals, exceptions and memory become a status.

Exit codes: 0 there is a result, whatever it says; 73 a finished cell could not be scored again, and is as it was; 74
the disk; 75 asked to stop, and saved. Anything else is a crash, which the runner sees from outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType, TracebackType

from ganbench.api.cell import RunResult
from ganbench.api.plugin import Plugin
from ganbench.cell_folder import CellFolder
from ganbench.errors import GanbenchError, Interrupted, StoreError

NOT_SCORED, DISK, REQUEUE = 73, 74, 75


def main(arguments: list[str] | None = None) -> int:
    (path,) = arguments if arguments is not None else sys.argv[1:]
    follow_parent()
    # Imported here, so that a stop that comes while torch is loading ends the process at once.
    from ganbench.run import StopSwitch

    stop = StopSwitch()
    for name in ("SIGTERM", "SIGINT", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: on_signal(stop, number, frame))
    return work(CellFolder(Path(path)), stop)


def on_signal(stop: object, number: int, frame: FrameType | None) -> None:
    stop.reason = f"stopped by {signal.Signals(number).name}"  # type: ignore[attr-defined]


def work(folder: CellFolder, stop: object) -> int:
    """Run the cell, or score it again; save a result, unless the machine rather than the cell is at fault.

    A cell that cannot be scored again keeps the result that it has: its training is not to blame.
    """
    from ganbench.rescore import rescore_cell
    from ganbench.run import run_cell

    finished = folder.load_result()
    again = finished is not None and finished.status in ("done", "collapsed")
    try:
        result = (rescore_cell if again else run_cell)(folder, stop)  # type: ignore[arg-type]
    except Interrupted as error:
        print(error)
        return REQUEUE
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
        if full or isinstance(error, StoreError):
            print(error, file=sys.stderr)
            return DISK
        if isinstance(error, GanbenchError):
            reason = str(error)
            print(reason, file=sys.stderr)
        else:
            reason = reason_of(error)
            traceback.print_exc()
        if again:
            print(reason, file=sys.stderr)  # the last line is what the runner shows
            return NOT_SCORED
        result = RunResult(status="failed", reason=reason)
    try:
        folder.save_result(result)
    except StoreError as error:
        print(error, file=sys.stderr)
        return DISK
    folder.drop_checkpoints()
    return 0


def reason_of(error: BaseException) -> str:
    """One line: what happened, and in which plugin."""
    try:
        text = str(error)
    except Exception:
        text = "its message cannot be shown"
    name = type(error).__name__
    memory = isinstance(error, MemoryError) or name == "OutOfMemoryError" or "can't allocate memory" in text
    first = (text.strip().splitlines() or [""])[0][:300]
    reason = f"out of memory: {first}" if memory else f"{name}: {first}" if first else name
    plugin = culprit(error.__traceback__)
    return f"{plugin}: {reason}" if plugin else reason


def culprit(trace: TracebackType | None) -> str | None:
    """The plugin in whose code an exception was raised: the innermost frame with a plugin as `self`."""
    found = None
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, Plugin):
            found = f"{type(owner).__name__} ({type(owner).__module__})"
        trace = trace.tb_next
    return found


def follow_parent() -> None:
    """End, saved, when the runner is gone: a cell must not go on without anybody who knows of it.

    An executor that is the parent itself says so in GANBENCH_RUNNER, so that its death before this line shows too.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
    parent = int(os.environ.get("GANBENCH_RUNNER") or os.getppid())
    if os.getppid() != parent:
        sys.exit(REQUEUE)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30.0)
        os._exit(REQUEUE)

    threading.Thread(target=watch, daemon=True, name="follow the runner").start()


if __name__ == "__main__":
    sys.exit(main())
