"""Designs: which levels are combined into which cells. Works on names alone, so that counting costs nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

from ganbench.api.cell import Design, Exclusion, Suite
from ganbench.api.config import Json

Axes = Mapping[str, Mapping[str, Mapping[str, Json]]]
Levels = dict[str, str]  # axis -> level
DESIGNS: tuple[Design, ...] = ("one_at_a_time", "grid", "leave_one_out", "paired")
BASE_LEVEL = "base"


def base_levels(axes: Axes) -> Levels:
    """Axis -> the name of the level that sets nothing there; "base" where the suite lists none.

    In a grid every axis has such a level, so that all its combinations exist: the one that the suite lists as `{}`, or
    an implicit one. The combination of all of them is the baseline.
    """
    return {
        axis: next((name for name, sets in levels.items() if not sets), BASE_LEVEL) for axis, levels in axes.items()
    }


def combinations(axes: Axes, design: Design) -> Iterator[Levels]:
    """The levels of each cell but the baseline, in the order of the suite."""
    if design in ("one_at_a_time", "leave_one_out"):  # in the latter the base has everything, and a level takes one out
        yield from ({axis: level} for axis, levels in axes.items() for level in levels)
    elif design == "paired":
        rows = zip(*axes.values(), strict=True) if axes else ()
        yield from (dict(zip(axes, row, strict=True)) for row in rows)
    else:
        base = base_levels(axes)
        choices = [[base[axis], *(name for name in levels if name != base[axis])] for axis, levels in axes.items()]
        for row in itertools.product(*choices):
            combination = dict(zip(axes, row, strict=True))
            if combination != base:
                yield combination


def count(axes: Axes, design: Design) -> int:
    """How many combinations there are besides the baseline, without making them."""
    sizes = {axis: len(levels) for axis, levels in axes.items()}
    if design == "grid":
        base = base_levels(axes)
        return math.prod(size + (base[axis] not in axes[axis]) for axis, size in sizes.items()) - 1
    return max(sizes.values(), default=0) if design == "paired" else sum(sizes.values())


def excluded(levels: Levels, exclude: tuple[Exclusion, ...]) -> bool:
    """An exclusion removes every combination that has all the levels it names."""
    return any(rule.levels.items() <= levels.items() for rule in exclude)


def sets(suite: Suite, levels: Levels) -> list[tuple[str, Json]]:
    """The paths that a combination sets, in the order of the axes."""
    return [item for axis, level in levels.items() for item in suite.axes[axis].get(level, {}).items()]
