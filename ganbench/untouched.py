"""What importing a plugin must leave alone, since everything else in the process shares it."""

from __future__ import annotations

import contextlib
import locale
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def untouched() -> Iterator[list[str]]:
    """Within it, what is printed goes to stderr: stdout is for the one document of `--json`. Afterwards the working
    directory, the umask and the locale are as before; the list then says which of them were not."""
    changed: list[str] = []
    folder, mask, place = _folder(), _umask(), _locale()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield changed
    finally:
        if folder is not None and _folder() != folder:
            os.chdir(folder)
            changed.append("the working directory")
        if mask is not None and _umask() != mask:
            os.umask(mask)
            changed.append("the umask")
        if place is not None and _locale() != place:
            locale.setlocale(locale.LC_ALL, place)
            changed.append("the locale")


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - as text, for comparison and for going back
    except OSError:  # it was deleted
        return None


def _umask() -> int | None:
    """Read without setting it, which other threads would notice; None where that cannot be done."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
        return int(next(line.partition(":")[2] for line in lines if line.startswith("Umask")), 8)
    return None


def _locale() -> str | None:
    return locale.setlocale(locale.LC_ALL)
