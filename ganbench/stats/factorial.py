"""Grids: what an axis does on average over the others, and whether that depends on another axis.

Cells are means of their own with variances of their own, so a baseline with more seeds weighs no more than any other
cell, and a level that raises the variance makes no false alarms. With equal seeds the estimates are those of a linear
model with all interactions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ganbench.stats.outcomes import Outcomes, pooled_sd, scaled, score, together
from ganbench.stats.tests import Welch, contrast, holm
from ganbench.stats.verdicts import MIN_SEEDS, Contrast

INTERACTION_LEVEL = 0.10  # of the Holm-adjusted p value below which an interaction is said to be found
Cell = tuple[str, ...]  # a level per axis
Factor = tuple[int, str]  # which axis, which level of it


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """By how much the effect of `first` differs when `second` is set, too."""

    first: Factor
    second: Factor
    test: Welch | None
    p_adjusted: float | None  # Holm over all pairs

    @property
    def found(self) -> bool:
        return self.p_adjusted is not None and self.p_adjusted < INTERACTION_LEVEL


def factors(cells: Mapping[Cell, Outcomes], base: Cell) -> list[Factor]:
    """Every level that changes something, axis by axis, in the order in which the cells name them."""
    return [
        (axis, level)
        for axis, unchanged in enumerate(base)
        for level in dict.fromkeys(cell[axis] for cell in cells)
        if level != unchanged
    ]


def main_effect(
    cells: Mapping[Cell, Outcomes], base: Cell, factor: Factor, ratio: bool, where: Factor | None = None
) -> Contrast:
    """A level against its axis's base level, on average over the settings of the other axes that have both; with
    `where`, only over those settings that have that level."""
    axis, level = factor
    pairs = [
        (cell, _with(cell, axis, base[axis]))
        for cell in cells
        if cell[axis] == level and (where is None or cell[where[0]] == where[1])
    ]
    pairs = [pair for pair in pairs if all(one in cells and _exists(cells[one]) for one in pair)]
    ours, theirs = [cells[ours] for ours, _ in pairs], [cells[theirs] for _, theirs in pairs]
    both, unwired = [*ours, *theirs], ""
    if any(one.seedless for one in both):
        unwired = "seed has no effect"
    finished = min((sum(len(one.scores) for one in side) for side in (ours, theirs)), default=0)
    test = None
    if finished >= MIN_SEEDS and not unwired:
        signed = [(1.0, one) for one in ours] + [(-1.0, one) for one in theirs]
        test = contrast([(sign / len(pairs), scaled(one.scores, ratio)) for sign, one in signed])
    return Contrast(
        level=together(ours),
        baseline=together(theirs),
        test=test,
        spread=pooled_sd([one.scores for one in both], ratio),
        cells=max(len(pairs), 1),
        unwired=unwired,
        scores=(_mean(ours, ratio), _mean(theirs, ratio)) if all(one.scores for one in both) else None,
    )


def interactions(cells: Mapping[Cell, Outcomes], base: Cell, ratio: bool) -> list[Interaction]:
    """All pairs of levels of two axes."""
    pairs = [(a, b) for a, b in combinations(factors(cells, base), 2) if a[0] != b[0]]
    tests = [_interaction(cells, base, a, b, ratio) for a, b in pairs]
    adjusted = holm([1.0 if test is None else test.p for test in tests])
    return [
        Interaction(first=a, second=b, test=test, p_adjusted=None if test is None else p)
        for (a, b), test, p in zip(pairs, tests, adjusted, strict=True)
    ]


def _interaction(cells: Mapping[Cell, Outcomes], base: Cell, a: Factor, b: Factor, ratio: bool) -> Welch | None:
    """Mean over the other axes of (both - only a) - (only b - neither), where all four exist."""
    squares: list[Sequence[Cell]] = []
    for cell in cells:
        if cell[a[0]] == a[1] and cell[b[0]] == b[1]:
            only_a, only_b = _with(cell, b[0], base[b[0]]), _with(cell, a[0], base[a[0]])
            square = (cell, only_a, only_b, _with(only_a, a[0], base[a[0]]))
            if all(one in cells and _exists(cells[one]) for one in square):
                squares.append(square)
    signs = (1.0, -1.0, -1.0, 1.0)
    used = [(sign / len(squares), cells[one]) for square in squares for sign, one in zip(signs, square, strict=True)]
    if any(one.missing or one.seedless for _, one in used):
        return None
    return contrast([(weight, scaled(one.scores, ratio)) for weight, one in used])


def _mean(cells: Sequence[Outcomes], ratio: bool) -> float:
    """Every combination weighs as much as in the test, however many seeds it has."""
    return score([score(cell.scores, ratio) for cell in cells], ratio)


def _exists(outcomes: Outcomes) -> bool:
    """Skipped and excluded combinations do not."""
    return bool(outcomes.started or outcomes.missing)


def _with(cell: Cell, axis: int, level: str) -> Cell:
    return (*cell[:axis], level, *cell[axis + 1 :])
