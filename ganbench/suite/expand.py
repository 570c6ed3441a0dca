"""Suite -> cells: every configuration with every seed, the baseline first. Pure: equal suites give equal cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ganbench.api.cell import Cell, Suite
from ganbench.api.config import Json
from ganbench.errors import ConfigError
from ganbench.suite import design
from ganbench.suite.build import Base, base_of, build
from ganbench.suite.identity import cell_id
from ganbench.suite.settings import Setting, SettingError, assign
from ganbench.suite.yaml import Mark, Node, node_of


def expand(suite: Suite) -> list[Cell]:
    """All cells of a suite that `load` made."""
    cells = _cells(suite, base_of(suite.base), {}, suite.baseline_seeds)
    for levels in design.combinations(suite.axes, suite.design):
        if not design.excluded(levels, suite.exclude):
            cells += _cells(suite, _configure(suite, levels), levels, suite.seeds)
    taken: dict[str, Cell] = {}
    said: dict[int, str] = {}  # the seeds of a level share one evaluation
    for cell in cells:
        evaluation = said.setdefault(id(cell.evaluation), "") or str(cell.evaluation)
        said[id(cell.evaluation)] = evaluation
        for key in (cell.id, f"{cell.digest} {evaluation}"):  # levels may share networks and differ in sampling
            other = taken.setdefault(key, cell)
            if other is not cell:
                raise ConfigError(f"{suite.name}: {name_of(cell.levels)} is the same as {name_of(other.levels)}")
    return cells


def name_of(levels: design.Levels) -> str:
    """`norm: off, output: linear`, or `the baseline`."""
    return ", ".join(f"{axis}: {level}" for axis, level in levels.items()) or "the baseline"


def topped_up(suite: Suite) -> Suite:
    """The suite with the seeds of its one declared second look: `top_up` per level, twice as many for the baseline."""
    if suite.top_up is None:
        return suite
    return replace(
        suite,
        seeds=more_seeds(suite.seeds, suite.top_up),
        baseline_seeds=more_seeds(suite.baseline_seeds, 2 * suite.top_up),
        top_up=None,
    )


def more_seeds(seeds: Sequence[int], count: int) -> tuple[int, ...]:
    """The same seeds, continued upwards until there are so many."""
    missing = max(0, count - len(seeds))
    return (*seeds, *range(max(seeds) + 1, max(seeds) + 1 + missing))


def _cells(suite: Suite, base: Base, levels: design.Levels, seeds: Sequence[int]) -> list[Cell]:
    config = base.config
    return [
        Cell(
            id=cell_id(config, seed, levels),
            suite=suite.folder,
            levels=levels,
            seed=seed,
            config=config,
            evaluation=base.evaluation,
        )
        for seed in seeds
    ]


def _configure(suite: Suite, levels: design.Levels) -> Base:
    mark = Mark(source=name_of(levels))
    node = node_of(suite.base, mark)
    for path, value in design.sets(suite, levels):
        node = _assigned(node, path, value, mark)
    base, problems = build(node)
    if base is None:
        raise ConfigError("\n".join(map(str, problems)))
    return base


def _assigned(node: Node, path: str, value: Json, mark: Mark) -> Node:
    try:
        return assign(node, Base, Setting(path=path, mark=mark, value=node_of(value, mark)))
    except SettingError as error:
        raise ConfigError(f"{mark}: {path}: {error}") from None
