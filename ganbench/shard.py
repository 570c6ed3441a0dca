"""`--shard i/n`: every n-th cell of a suite, for schedulers that ganbench knows nothing of.

Who runs all n shards runs every cell once, whatever the order, and whatever is finished already: the split depends on
the suite alone. Leases keep two runners off one cell when somebody gets it wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from ganbench.api.cell import Cell, Suite
from ganbench.errors import ConfigError, NothingMatched

MOST = 1_000_000  # shards


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One of `count` parts, counted from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`3/8`. Raises ConfigError."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
        if found is None:
            raise ConfigError(f"--shard {text}: expected i/n, such as 1/4 for the first of four shards")
        index, count = int(found[1]), int(found[2])
        if not 1 <= count <= MOST:
            raise ConfigError(f"--shard {text}: a suite is split into 1 to {MOST:,} shards")
        if not 1 <= index <= count:
            hint = f" Shards count from 1: the first is 1/{count}." if index == 0 else ""
            raise ConfigError(f"--shard {text}: there is no shard {index} of {count}.{hint}")
        return cls(index=index, count=count)

    def of(self, suite: Suite, cells: Sequence[Cell]) -> list[Cell]:
        """Its cells, in their order. Sizes of shards differ by one at most, and so do their shares of the baseline.

        Cells that cannot run cost nothing and are dealt out apart from the others; those of a second look come last, so
        that they move no other cell. Raises NothingMatched where there are more shards than cells.
        """
        runnable = [cell for cell in cells if cell.conflict is None]
        dealt = [cell for cell in runnable if _first(suite, cell)] + [c for c in runnable if not _first(suite, c)]
        rest = [cell for cell in cells if cell.conflict is not None]
        mine = {cell.id for cell in chain(dealt[self.index - 1 :: self.count], rest[self.index - 1 :: self.count])}
        if not mine:
            known = f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
            raise NothingMatched(f"--shard {self}: {suite.folder} has {known}, so nothing is left for this shard")
        return [cell for cell in cells if cell.id in mine]


def _first(suite: Suite, cell: Cell) -> bool:
    """Whether a cell is one of the first look."""
    return cell.seed in (suite.baseline_seeds if cell.is_baseline else suite.seeds)
