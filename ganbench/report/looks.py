"""How often results may be looked at: declared before the first run, and kept in the results folder.

A comparison that the first look leaves open gets the declared top-up, the baseline with it; what is decided stays as it
is. Whoever changes the plan once results are there, or deletes a level, is remembered: both are ways to look again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ganbench.api.cell import Cell, Suite
from ganbench.api.config import Json
from ganbench.api.summary import Summary
from ganbench.errors import StoreError
from ganbench.files import typed
from ganbench.store import SuiteFolder
from ganbench.suite import cell_digest, expand, topped_up

_WORDS = {
    "seeds": "seeds",
    "baseline_seeds": "seeds of the baseline",
    "top_up": "top-up",
    "margin": "margin",
    "primary_metric": "primary metric",
}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The plan of a suite, as far as verdicts depend on it."""

    seeds: int
    baseline_seeds: int
    top_up: int | None
    margin: float
    primary_metric: str


@dataclass(frozen=True, kw_only=True)
class SecondLook:
    """What the first look left open."""

    cells: tuple[str, ...]  # what identifies the cells that are run for it
    levels: tuple[str, ...]  # names, for people
    verdicts: dict[str, str]  # of the first look, by level


@dataclass(frozen=True, kw_only=True)
class Looks:
    """looks.json."""

    declared: Declared
    baseline: str  # what identifies the baseline: with another one, everything starts anew
    levels: dict[str, str]  # what identifies a level -> its name; those that are gone, too
    changes: tuple[str, ...] = ()  # of the plan, after runs had begun
    second: SecondLook | None = None

    @classmethod
    def read(cls, folder: SuiteFolder) -> Looks | None:
        """None where there is none. Raises StoreError where it is damaged: what was declared is not to be forgotten."""
        found = folder.read_looks()
        if found is None:
            return None
        try:
            return typed(cls, {name: value for name, value in found.items() if name != "schema"})
        except ValueError as error:  # pydantic's ValidationError is one
            raise StoreError(f"{folder.path / 'looks.json'}: is damaged: remove it to declare the plan anew") from error

    def write(self, folder: SuiteFolder) -> None:
        record: dict[str, Json] = asdict(self)
        folder.write_looks(record)

    def deleted(self, plan: Iterable[Any]) -> list[str]:
        """Names of levels that were declared once and are not in the plan (the cells of plan.json) any more."""
        present = {cell.get("level_key") for cell in plan}
        return sorted(name for key, name in self.levels.items() if key not in present)


def level_key(cell: Cell) -> str:
    """What a level is, whatever it is called and whichever the seed."""
    return f"{cell_digest(cell.config, 0)} {cell.evaluation.batch_norm} {cell.evaluation.weights}"


def cell_key(cell: Cell) -> str:
    """What a cell is, whatever it is called."""
    return f"{cell.digest} {cell.evaluation.batch_norm} {cell.evaluation.weights}"


def level_name(cell: Cell) -> str:
    return ", ".join(f"{axis}={level}" for axis, level in cell.levels.items()) or "baseline"


def declare(suite: Suite, cells: Sequence[Cell], earlier: Looks | None, begun: bool) -> Looks:
    """The record as it stands before a run. earlier: what the folder holds; begun: whether there are results."""
    declared = Declared(
        seeds=len(suite.seeds),
        baseline_seeds=len(suite.baseline_seeds),
        top_up=suite.top_up,
        margin=suite.margin,
        primary_metric=suite.primary_metric,
    )
    baseline = next((level_key(cell) for cell in cells if cell.is_baseline), "")
    levels = {level_key(cell): level_name(cell) for cell in cells if not cell.is_baseline}
    if earlier is None or earlier.baseline != baseline or not begun:
        return Looks(declared=declared, baseline=baseline, levels=levels)
    changes = [
        f"{words}: {getattr(earlier.declared, name)} -> {getattr(declared, name)}"
        for name, words in _WORDS.items()
        if getattr(earlier.declared, name) != getattr(declared, name)
    ]
    return replace(
        earlier,
        declared=declared,
        levels=earlier.levels | levels,
        changes=tuple(dict.fromkeys([*earlier.changes, *changes])),
        second=earlier.second if suite.top_up is not None else None,
    )


def cells_of(suite: Suite, looks: Looks | None) -> list[Cell]:
    """The cells of a suite: of its first look, and of the second one for what the first has left open."""
    first = expand(suite)
    if looks is None or looks.second is None or suite.top_up is None:
        return first
    known, more = {cell.id for cell in first}, set(looks.second.cells)
    return [cell for cell in expand(topped_up(suite)) if cell.id in known or cell_key(cell) in more]


def second_look(suite: Suite, summary: Summary, looks: Looks) -> Looks | None:
    """The record with the second look in it; None where the first one has decided everything, or none is declared."""
    if suite.top_up is None or looks.second is not None or summary.partial or not summary.open:
        return None
    first = {cell.id for cell in expand(suite)}
    more = [
        cell
        for cell in expand(topped_up(suite))
        if cell.id not in first and (cell.is_baseline or any(_is(cell, level) for level in summary.open))
    ]
    primary = [effect for effect in summary.effects if effect.metric == suite.primary_metric]
    return replace(
        looks,
        second=SecondLook(
            cells=tuple(sorted(map(cell_key, more))),
            levels=tuple(f"{axis}={level}" if axis else level for axis, level in summary.open),
            verdicts={f"{e.axis}={e.level}" if e.axis else e.level: e.verdict for e in primary},
        ),
    )


def _is(cell: Cell, level: tuple[str, str]) -> bool:
    axis, name = level
    return cell.levels == {axis: name} if axis else level_name(cell) == name
