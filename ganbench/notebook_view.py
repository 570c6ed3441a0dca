"""Progress as a notebook can show it: one output cell, replaced as the run goes on."""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ganbench.api.cell import Cell, Suite
from ganbench.commands.screen import counted, duration, safe
from ganbench.progress import Lines, numbers, share, view

if TYPE_CHECKING:
    from ganbench.runner import Planned, View


def watcher() -> View:
    """A table that is updated in place in a notebook; else as the command line."""
    try:
        from IPython import get_ipython  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return view()
    shell = get_ipython()
    return NotebookView() if shell is not None and hasattr(shell, "kernel") else view()


class NotebookView(Lines):
    """One output cell, replaced as the run goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.handle: Any = None
        self.said: list[str] = []
        self.looked = 0.0

    def say(self, message: str) -> None:
        self.said = [*self.said, message][-8:]
        self.show()

    def begin(self, suite: Suite, planned: Sequence[Planned], where: str) -> None:
        super().begin(suite, planned, where)
        self.show()

    def tick(self, running: Sequence[tuple[Cell, dict[str, Any] | None]]) -> None:
        super().tick(running)
        if time.monotonic() - self.looked >= 1.0:
            self.looked = time.monotonic()
            self.show()

    def finish(self) -> None:
        self.count.running = []
        self.show()

    def show(self) -> None:
        from IPython.display import HTML, display  # type: ignore[import-not-found,unused-ignore]

        if self.handle is None:
            self.handle = display(HTML(self.picture()), display_id=True)
        else:
            self.handle.update(HTML(self.picture()))

    def picture(self) -> str:
        """Escaped HTML."""
        count = self.count
        words = " ".join(
            filter(None, [f"{count.suite}: {counted(count.ended, 'cell')} of {count.total}", count.left()])
        )
        rows = [["cell", "step", "%", "", ""]] if count.running else []
        for cell, record in count.running:
            held = record or {}
            far = [str(held.get("step", "")), f"{100 * share(record):.0f}"]
            rows.append([cell.id, *far, numbers(held, count.metric), count.left_of(cell, held)])
        bar = f"<progress max='{max(count.total, 1)}' value='{count.done:.3f}'></progress>"
        said = "<br>".join(html.escape(safe(line)) for line in self.said)
        passed = duration(time.monotonic() - count.started)
        return f"{bar} {html.escape(safe(words))} ({passed})<br>{html_table(rows)}<small>{said}</small>"


def html_table(rows: Sequence[Sequence[str]]) -> str:
    """Escaped: names of levels are anybody's."""
    if not rows:
        return ""
    head, *body = (["".join(f"<{tag}>{html.escape(safe(cell))}</{tag}>" for cell in row)] for tag, row in tagged(rows))
    lines = "".join(f"<tr>{row[0]}</tr>" for row in body)
    return f"<table><thead><tr>{head[0]}</tr></thead><tbody>{lines}</tbody></table>"


def tagged(rows: Sequence[Sequence[str]]) -> Iterable[tuple[str, Sequence[str]]]:
    return (("th" if index == 0 else "td", row) for index, row in enumerate(rows))
