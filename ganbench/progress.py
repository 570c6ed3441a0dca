"""Who watches a run (`runner.View`): bars on a terminal, a line per finished cell elsewhere, or nobody."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganbench.api.cell import Cell, Suite
from ganbench.commands.screen import counted, duration, safe

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from ganbench.runner import Planned, View

BAR = 30  # characters
REFRESH = 0.5  # seconds between two looks of the terminal


@dataclass(kw_only=True)
class Count:
    """How far a run of a suite is."""

    suite: str = ""
    metric: str = "fid"
    total: int = 0  # cells to run
    ended: int = 0
    failed: int = 0
    started: float = field(default_factory=time.monotonic)
    running: list[tuple[Cell, dict[str, Any] | None]] = field(default_factory=list)
    begun: dict[str, tuple[float, float]] = field(default_factory=dict)  # cell -> (clock, progress) when first seen

    @classmethod
    def of(cls, suite: Suite, planned: Sequence[Planned]) -> Count:
        from ganbench.runner import TO_RUN

        total = sum(one.state in TO_RUN for one in planned)
        return cls(suite=suite.folder, metric=suite.primary_metric, total=total)

    def see(self, running: Sequence[tuple[Cell, dict[str, Any] | None]]) -> None:
        self.running = list(running)
        for cell, record in running:
            if record is not None:
                self.begun.setdefault(cell.id, (time.monotonic(), share(record)))

    def end(self, planned: Planned) -> None:
        self.ended += 1
        self.failed += planned.state in ("failed", "diverged", "collapsed")
        self.running = [(cell, record) for cell, record in self.running if cell.id != planned.cell.id]
        self.begun.pop(planned.cell.id, None)

    @property
    def done(self) -> float:
        """Cells, with parts of those that run."""
        return self.ended + sum(share(record) for _, record in self.running)

    def left(self) -> str:
        """Time left for the suite, once there is something to go by."""
        if not self.done:
            return ""
        return f"{duration((time.monotonic() - self.started) * (self.total - self.done) / self.done)} left"

    def left_of(self, cell: Cell, record: Mapping[str, Any]) -> str:
        clock, progress = self.begun.get(cell.id, (time.monotonic(), share(record)))
        gained = share(record) - progress
        if gained <= 0:
            return ""
        return f"{duration((time.monotonic() - clock) * (1 - share(record)) / gained)} left"


def share(record: Mapping[str, Any] | None) -> float:
    """Progress of a cell in [0, 1], from its progress.json."""
    value = (record or {}).get("progress")
    return min(max(float(value), 0.0), 1.0) if isinstance(value, int | float) else 0.0


def numbers(record: Mapping[str, Any], metric: str) -> str:
    """`D 0.52  G 1.31  fid 83.2`: the losses summed per player, and the last score."""
    losses: dict[str, float] = {}
    for name, value in (record.get("losses") or {}).items():
        player = name.partition("/")[0]
        if player in ("D", "G") and isinstance(value, int | float):
            losses[player] = losses.get(player, 0.0) + value
    said = [f"{player} {value:.3g}" for player, value in sorted(losses.items())]
    score = (record.get("metrics") or {}).get(metric)
    if isinstance(score, int | float):
        said.append(f"{metric} {score:.4g}")
    return "  ".join(said)


def warnings(cell: Cell, health: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """(cell, name) -> `baseline-s0-...: warning at step 40: low_diversity: ...`, from progress.json or a result."""
    found = {}
    listed = health.get("warnings")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and {"name", "step", "message"} <= one.keys():
            sentence = f"{cell.id}: warning at step {one['step']}: {one['name']}: {one['message']}"
            found[cell.id, str(one["name"])] = sentence
    return found


def ended_line(planned: Planned, metric: str) -> str:
    """`baseline-s0-...: done, fid 83.2, 41 s`"""
    said: list[str] = [planned.state]
    result = planned.result
    if result is not None and metric in result.metrics:
        said.append(f"{metric} {result.metrics[metric]:.4g}")
    if result is not None and result.seconds:
        said.append(duration(result.seconds + result.evaluation_seconds))
    if planned.reason and planned.state != "done":
        said.append(planned.reason)
    return f"{planned.cell.id}: {', '.join(said)}"


class Quiet:
    """Says nothing: for `--json`."""

    def say(self, message: str) -> None: ...
    def begin(self, suite: Suite, planned: Sequence[Planned], where: str) -> None: ...
    def tick(self, running: Sequence[tuple[Cell, dict[str, Any] | None]]) -> None: ...
    def ended(self, planned: Planned) -> None: ...
    def finish(self) -> None: ...


class Lines:
    """A line per finished cell on stderr: for log files and pipes."""

    def __init__(self) -> None:
        self.count = Count()
        self.warned: set[tuple[str, str]] = set()  # cell and diagnostic

    def warn(self, found: Mapping[tuple[str, str], str]) -> None:
        """Say what was not said before."""
        for key, sentence in found.items():
            if key not in self.warned:
                self.warned.add(key)
                self.say(sentence)

    def say(self, message: str) -> None:
        print(safe(message), file=sys.stderr, flush=True)

    def begin(self, suite: Suite, planned: Sequence[Planned], where: str) -> None:
        self.count = Count.of(suite, planned)
        if self.count.total:
            self.say(f"{suite.folder}: {self.count.total} of {counted(len(planned), 'cell')} to run ({where})")

    def tick(self, running: Sequence[tuple[Cell, dict[str, Any] | None]]) -> None:
        self.count.see(running)
        for cell, record in running:
            self.warn(warnings(cell, record or {}))

    def ended(self, planned: Planned) -> None:
        self.count.end(planned)
        if planned.result is not None:
            self.warn(warnings(planned.cell, planned.result.health))
        left = self.count.left() if self.count.ended < self.count.total else ""
        place = f"[{self.count.ended}/{self.count.total}{', ' + left if left else ''}]"
        self.say(f"{place} {ended_line(planned, self.count.metric)}")

    def finish(self) -> None: ...


class Bars(Lines):
    """A bar for the suite and a line per running cell, which stay at the bottom of the terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self.live: Live | None = None
        self.looked = 0.0

    def say(self, message: str) -> None:
        self.console.print(safe(message), markup=False, highlight=False)

    def begin(self, suite: Suite, planned: Sequence[Planned], where: str) -> None:
        from rich.live import Live

        super().begin(suite, planned, where)
        if self.count.total:
            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            self.live.start()

    def tick(self, running: Sequence[tuple[Cell, dict[str, Any] | None]]) -> None:
        super().tick(running)
        if self.live is not None and time.monotonic() - self.looked >= REFRESH:
            self.looked = time.monotonic()
            self.live.update(self.picture(), refresh=True)

    def finish(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def picture(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=40)
        table.add_column(width=BAR)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        count = self.count
        failed = f", {count.failed} failed" if count.failed else ""
        words = [f"{count.ended}/{count.total} cells{failed}", count.left()]
        table.add_row(
            Text(safe(count.suite), style="bold"),
            ProgressBar(total=max(count.total, 1), completed=count.done, width=BAR),
            Text("  ".join(filter(None, words))),
        )
        for cell, record in count.running:
            bar = ProgressBar(total=1.0, completed=share(record), width=BAR)
            table.add_row(Text(safe(cell.id)), bar, Text(safe(self.words(cell, record))))
        return table

    def words(self, cell: Cell, record: dict[str, Any] | None) -> str:
        if record is None:
            return "starting"
        phase = "evaluating" if record.get("phase") == "evaluating" else f"step {record.get('step')}"
        names = [name for _, name in warnings(cell, record)]
        alarm = f"({', '.join(names)})" if names else ""
        parts = [phase, f"{100 * share(record):.0f} %", numbers(record, self.count.metric), alarm]
        return "  ".join(filter(None, [*parts, self.count.left_of(cell, record)]))


def view(quiet: bool = False) -> View:
    """What suits where stderr goes."""
    if quiet:
        return Quiet()
    if not sys.stderr.isatty():
        return Lines()
    from ganbench.commands.screen import console

    return Bars(console(stderr=True))
