"""Words on a terminal: results on stdout, everything else on stderr, nothing that could rewrite the screen."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


LONG = 1 << 20  # characters of JSON, from which on nobody reads it: laying it out takes twice the time of making it


def document(value: Any) -> None:
    """The one JSON document of `--json`."""
    from ganbench.files import plain

    value = plain(value)
    text = json.dumps(value, allow_nan=False)
    print(text if len(text) > LONG else json.dumps(value, indent=1, allow_nan=False))


def console(stderr: bool = False) -> Console:
    """rich's, which knows NO_COLOR, terminals and their width."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)  # ":x:" is a name like any other


def note(message: str) -> None:
    """A line for people, on stderr."""
    print(safe(message), file=sys.stderr, flush=True)


def safe(text: str) -> str:
    """Without control, escape and bidirectional characters; lines stay lines."""
    from ganbench.report.terminal import plain

    return "\n".join(plain(line.replace("\t", "    ")) for line in text.split("\n"))


def columns(rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Rows as aligned lines; the last column is as long as it is."""
    held = [[safe(cell).replace("\n", " ") for cell in row] for row in rows]
    count = max((len(row) for row in held), default=0)
    widths = [max(len(row[i]) for row in held if len(row) > i) for i in range(max(count - 1, 0))]
    return [
        (indent + "  ".join(cell.ljust(widths[i]) if i < len(widths) else cell for i, cell in enumerate(row))).rstrip()
        for row in held
    ]


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def counted(number: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size(count: float) -> str:
    """`512 B`, `3.1 MB`."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"
