"""Whose fault it was, in one line: of an exception, and of a process that left nothing but its log."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from ganbench.api.plugin import Plugin

_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>\S+)')
# Parts of paths that are no place of a user's; a checkout of ganbench in which somebody writes plugins may be one.
_LIBRARIES = (sysconfig.get_path("stdlib"), "-packages/torch/", "-packages/numpy/", "<frozen")
_OURS = (f"{Path(__file__).parent}/", "-packages/ganbench/")
MEMORY = ("out of memory", "can't allocate memory", "std::bad_alloc")  # of RuntimeErrors


def reason_of(error: BaseException) -> str:
    """One line: what happened, and in which plugin."""
    plugin = culprit(error.__traceback__)
    return f"{plugin}: {said_by(error)}" if plugin else said_by(error)


def said_by(error: BaseException) -> str:
    """The exception and its message, in one line; that memory was lacking, whatever the exception is called."""
    text, name = message(error), type(error).__name__
    first = (text.strip().splitlines() or [""])[0][:300]
    if lacks_memory(error):
        return f"out of memory: {first}"
    return f"{name}: {first}" if first else name


def lacks_memory(error: BaseException) -> bool:
    name = type(error).__name__
    return isinstance(error, MemoryError) or name == "OutOfMemoryError" or any(w in message(error) for w in MEMORY)


def message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # it may raise anything, too
        return "its message cannot be shown"


def culprit(trace: TracebackType | None) -> str | None:
    """The plugin in whose code an exception was raised: the innermost frame with a plugin as `self`."""
    found = None
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, Plugin):
            found = f"{type(owner).__name__} ({type(owner).__module__})"
        trace = trace.tb_next
    return found


def last_place(log: Sequence[str]) -> str:
    """Where a process was when it crashed or hung: ` in measure (colour.py:12)`, from the stack dump in its log; the
    innermost frame that is not of a library. Empty where there is no dump."""
    starts = [index for index, line in enumerate(log) if line.endswith("(most recent call first):")]
    current = [index for index in starts if log[index].startswith("Current thread")] or starts
    if not current:
        return ""
    frames = []
    for line in log[current[-1] + 1 :]:
        found = _FRAME.match(line)
        if found is None:
            break
        frames.append(found)
    ours = [frame for frame in frames if not any(part in frame["file"] for part in (*_LIBRARIES, *_OURS))] or frames[:1]
    return "".join(f" in {f['function']} ({f['file'].rpartition('/')[2]}:{f['line']})" for f in ours[:1])
