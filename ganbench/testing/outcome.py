"""What a conformance check found."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ganbench.isolated import waiting


class NotChecked(Exception):
    """A check could not be made here, and the plugin is not to blame: the message says why."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that must hold of a plugin. `act` raises AssertionError with what is wrong and what to change."""

    name: str
    act: Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    check: str
    state: Literal["ok", "failed", "skipped"]
    message: str = ""
    seconds: float = 0.0


_say: ContextVar[Callable[[str], None]] = ContextVar("_say", default=lambda what: None)


@contextlib.contextmanager
def stepping(say: Callable[[str], None]) -> Iterator[None]:
    """Within it, say(what) is called before each step of a check of many steps: it lives."""
    token = _say.set(say)
    try:
        yield
    finally:
        _say.reset(token)


def step(what: str) -> None:
    _say.get()(what)


def clock() -> float:
    """Seconds, without those in which other programs had the core."""
    return time.monotonic() - waiting()


def outcome(check: Check, home: Path | None) -> Outcome:
    """Makes one check. home: the plugin's source file, in which to look for the line that is to blame."""
    started = clock()

    def found(state: Literal["ok", "failed", "skipped"], message: str = "") -> Outcome:
        return Outcome(check=check.name, state=state, message=message, seconds=round(clock() - started, 2))

    try:
        check.act()
    except NotChecked as reason:
        return found("skipped", str(reason))
    except AssertionError as error:
        return found("failed", str(error) or f"an assertion of its own does not hold{place(error, home)}")
    except Exception as error:  # whatever a plugin may raise
        return found("failed", f"{told(error)}{place(error, home)}")
    return found("ok")


def told(error: BaseException) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}".rstrip(": ")


def place(error: BaseException, home: Path | None) -> str:
    """` (mirror.py:31)`: the innermost line of the plugin's own file that the exception passed through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if home and Path(frame.filename) == home]
    return f" ({home.name}:{frames[-1].lineno})" if frames and home else ""
