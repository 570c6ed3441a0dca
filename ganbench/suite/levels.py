"""Do the levels of a suite say what they mean? Each is set on the base, built and compared with all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ganbench.api.cell import Suite
from ganbench.suite import design
from ganbench.suite.build import Base, build
from ganbench.suite.expand import name_of
from ganbench.suite.identity import canonical_text, encode
from ganbench.suite.settings import Setting, SettingError, assign
from ganbench.suite.yaml import MAX_PROBLEMS, Mark, Node, Problem

# Belongs to the treatment. The rest of the evaluation is how a table measures, and must be equal within it.
SAMPLER = ("evaluation.batch_norm", "evaluation.weights")
MOST_SETTINGS = 100  # of one level


@dataclass(frozen=True, kw_only=True)
class Level:
    axis: str
    name: str
    mark: Mark  # of its name
    settings: tuple[Setting, ...]

    @property
    def path(self) -> str:
        return f"axes.{self.axis}.{self.name}"


def check_levels(suite: Suite, root: Node, base: Node, problems: list[Problem]) -> None:
    """Adds what is wrong with single levels, with combinations of them, and levels that are the same as others."""
    levels = {(level.axis, level.name): level for level in levels_of(root)}
    known = {(problem.mark, problem.message) for problem in problems}  # those of the base are in every level
    found: list[Problem] = []
    for level in levels.values():
        found += _own_problems(level)
        if len(found) > MAX_PROBLEMS:
            break
    faulty = {problem.path for problem in found}
    if suite.design in ("grid", "paired"):
        found += _meetings(list(levels.values()))
    together = suite.design == "paired" and len({len(held) for held in suite.axes.values()}) == 1
    combinations = design.combinations(suite.axes, "paired") if together else ({axis: name} for axis, name in levels)
    seen: dict[str, str] = {} if problems else {_identity(build(base)[0]): "the baseline"}
    for combination in combinations:
        if len(found) > MAX_PROBLEMS:
            break
        parts = [levels[item] for item in combination.items()]
        if suite.design == "grid" and not parts[0].settings:
            continue  # the axis's own name for the base
        built = _build(base, parts, found)
        if built is None or design.excluded(combination, suite.exclude):
            continue
        if any(f"{level.path}.{setting.path}" in faulty for level in parts for setting in level.settings):
            continue
        name = name_of(combination)
        other = seen.setdefault(_identity(built), name)
        if other != name:
            message = f"{name} is the same as {other}; an A/A test sets `replicate: 1`"
            found.append(Problem(mark=parts[0].mark, path=parts[0].path, message=message))
    problems += [problem for problem in found if (problem.mark, problem.message) not in known]


def levels_of(root: Node) -> Iterator[Level]:
    axes = root.value.get("axes") if isinstance(root.value, dict) else None
    for axis, held in axes.value.items() if axes and isinstance(axes.value, dict) else ():
        for name, sets in held.value.items() if isinstance(held.value, dict) else ():
            paths = sets.value.items() if isinstance(sets.value, dict) else ()
            settings = tuple(Setting(path=path, mark=sets.keys[path], value=value) for path, value in paths)
            yield Level(axis=axis, name=name, mark=held.keys[name], settings=settings)


def _own_problems(level: Level) -> Iterator[Problem]:
    if len(level.settings) > MOST_SETTINGS:
        message = f"sets {len(level.settings):,} paths; at most {MOST_SETTINGS}"
        yield Problem(mark=level.mark, path=level.path, message=message)
        return
    for index, setting in enumerate(level.settings):
        path = f"{level.path}.{setting.path}"
        if setting.steps[0] == "evaluation" and setting.path not in SAMPLER:
            message = f"cells of one table are measured alike: set it in base. Levels may set {' and '.join(SAMPLER)}"
            yield Problem(mark=setting.mark, path=path, message=message)
        for other in level.settings[:index]:
            if setting.meets(other):
                message = f"{other.path!r} is set in the same level, and one of the two contains the other"
                yield Problem(mark=setting.mark, path=path, message=message)


def _meetings(levels: Sequence[Level]) -> Iterator[Problem]:
    """Two axes that are combined must not set the same thing: which one would win?"""
    above: dict[tuple[str, ...], list[tuple[str, Setting]]] = {}  # path or a beginning of it -> who sets that or deeper
    exact: dict[tuple[str, ...], list[tuple[str, Setting]]] = {}
    distinct = {(level.axis, setting.path): (level, setting) for level in levels for setting in level.settings}
    for (axis, path), (level, setting) in distinct.items():
        steps = tuple(setting.steps)
        starts = [steps[:length] for length in range(1, len(steps) + 1)]
        near = above.get(steps, []) + [one for start in starts[:-1] for one in exact.get(start, [])]
        for other_axis, other in near:
            if axis != other_axis and setting.meets(other):
                message = f"the axis {other_axis!r} sets {other.path!r} too, and the two are combined"
                yield Problem(mark=setting.mark, path=f"{level.path}.{path}", message=message)
                break
        exact.setdefault(steps, []).append((axis, setting))
        for start in starts:
            above.setdefault(start, []).append((axis, setting))


def _build(base: Node, levels: Sequence[Level], problems: list[Problem]) -> Base | None:
    node, before = base, len(problems)
    for level in levels:
        for setting in level.settings:
            try:
                node = assign(node, Base, setting)
            except SettingError as error:
                problems.append(Problem(mark=setting.mark, path=f"{level.path}.{setting.path}", message=str(error)))
    built, found = build(node)
    where = levels[0].path
    problems += [Problem(mark=p.mark, path=f"{where}.{p.path}", message=p.message) for p in found]
    return built if len(problems) == before else None


def _identity(base: Base | None) -> str:
    if base is None:
        return ""
    return f"{canonical_text(base.config)} {encode([base.evaluation.batch_norm, base.evaluation.weights])}"
