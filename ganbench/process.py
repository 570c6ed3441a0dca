"""The process of one cell: `python -m ganbench.process FOLDER [LEASE]`. Signals, exceptions and memory become a status.

Exit codes: 0 there is a result, whatever it says; 73 a finished cell could not be scored again, and is as it was; 74
the disk; 75 asked to stop, and saved; 76 the GPU that it may share with other cells (GANBENCH_SHARES_GPU) was full.
Anything else is a crash, which the runner sees from outside. SIGTERM, SIGINT and SIGUSR1 ask to save and stop; SIGUSR2
writes the stacks of all threads into the log.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType

from ganbench.api.cell import RunResult
from ganbench.blame import lacks_memory, reason_of
from ganbench.cell_folder import CellFolder
from ganbench.errors import GanbenchError, Interrupted, StoreError
from ganbench.files import cannot_write, is_full
from ganbench.lease import Lease
from ganbench.redact import redact, redact_output

NOT_SCORED, DISK, REQUEUE, CROWDED = 73, 74, 75, 76
LOOK_SECONDS = 0.5  # between two looks of the thread beside the training
GRACE_SECONDS = 3.0  # for a cell whose runner is gone, to save
LOG_BYTES, LOG_HEAD = 2**20, 2**16  # a log that grows beyond is cut in the middle


def main(arguments: list[str] | None = None) -> int:
    path, *key = arguments if arguments is not None else sys.argv[1:]
    lease = Lease.joined(Path(path), key[0]) if key else None
    folder = CellFolder(Path(path), lease)
    explain_crashes()
    follow_parent(folder)
    # Imported here, so that a stop that comes while torch is loading ends the process at once.
    from ganbench.run import StopSwitch

    stop = StopSwitch()
    for name in ("SIGTERM", "SIGINT", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: on_signal(stop, number, frame))
    return work(folder, stop)


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
    reason = ""
    try:
        folder.tidy()
        result: RunResult | None = (rescore_cell if again else run_cell)(folder, stop)  # type: ignore[arg-type]
    except Interrupted as error:
        print(error)
        return REQUEUE
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        if is_full(error) or isinstance(error, StoreError):
            named = isinstance(error, OSError) and error.filename is not None
            print(cannot_write(Path(os.fsdecode(error.filename)), error) if named else error, file=sys.stderr)  # type: ignore[attr-defined,arg-type]
            return DISK
        if os.environ.get("GANBENCH_SHARES_GPU") and lacks_memory(error):
            print(reason_of(error), file=sys.stderr)  # the neighbours may be to blame
            return CROWDED
        if isinstance(error, GanbenchError):
            reason = str(error)
            print(reason, file=sys.stderr)
        else:
            reason = reason_of(error)
            traceback.print_exc()
        if again:
            print(reason, file=sys.stderr)  # the last line is what the runner shows
            return NOT_SCORED
        result = None
    try:
        folder.save_result(folder.failed(redact(reason)) if result is None else result)
        folder.drop_checkpoints()
    except Interrupted as error:
        print(error)
        return REQUEUE
    except StoreError as error:
        print(error, file=sys.stderr)
        return DISK
    return 0


def explain_crashes() -> None:
    """A segmentation fault leaves a stack in the log; so does a cell that hangs and is sent SIGUSR2."""
    with contextlib.suppress(Exception):  # standard error may be anything
        faulthandler.enable()
        if hasattr(signal, "SIGUSR2"):
            faulthandler.register(signal.SIGUSR2, all_threads=True)


# --- beside the training -----------------------------------------------------------------------------------
def follow_parent(folder: CellFolder) -> None:
    """End, saved, when the runner is gone: a cell must not go on without anybody who knows of it.

    An executor that is the parent itself says so in GANBENCH_RUNNER, so that its death before this line shows too. The
    thread that watches also shows life in the lease, and keeps the log short.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
    parent = int(os.environ.get("GANBENCH_RUNNER") or os.getppid())
    if os.getppid() != parent:
        sys.exit(REQUEUE)

    def watch() -> None:
        while os.getppid() == parent:
            if folder.lease is not None:
                folder.lease.beat()
                if folder.lease.lost:
                    end(0.0)
            shorten(folder.log)
            time.sleep(LOOK_SECONDS)
        end(GRACE_SECONDS)

    threading.Thread(target=watch, daemon=True, name="follow the runner").start()


def end(grace: float) -> None:
    """This process, and whatever it has started."""
    if grace:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(REQUEUE)


def shorten(log: Path) -> None:
    """Keep the beginning and the end of a log that has grown too large. It is appended to, so it may be cut at any
    time; what is written in that moment is lost."""
    with contextlib.suppress(OSError):
        size = log.stat().st_size
        if size <= LOG_BYTES:
            return
        with log.open("r+b") as file:
            head = file.read(LOG_HEAD)
            file.seek(size - LOG_BYTES // 2)
            tail = file.read(LOG_BYTES // 2)
            file.truncate(0)
        with log.open("ab") as file:
            file.write(head + f"\n... {size - len(head) - len(tail)} bytes left out ...\n".encode() + tail)


if __name__ == "__main__":
    redact_output()
    sys.exit(main())
