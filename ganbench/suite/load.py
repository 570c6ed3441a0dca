"""A suite file -> Suite, with every mistake at once, each as `file:line:column: path: what is wrong`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ganbench import probe, registry
from ganbench.api.cell import Suite
from ganbench.api.config import PluginSpec, Resources, RunOptions
from ganbench.errors import ConfigError, did_you_mean
from ganbench.suite import design
from ganbench.suite.build import Base, build, build_options
from ganbench.suite.expand import more_seeds
from ganbench.suite.fields import KEYS, PROFILE_KEYS, Fields
from ganbench.suite.levels import check_levels
from ganbench.suite.metrics import check_loggers, check_metrics
from ganbench.suite.private import secrets_in
from ganbench.suite.settings import Setting, SettingError, assign
from ganbench.suite.yaml import MAX_PROBLEMS, Mark, Node, Problem, parse, read

LARGE = 10_000  # cells of a grid that need to be allowed
SEED_KEYS = ("seeds", "baseline_seeds", "top_up")  # go together: who sets `seeds` anew drops the other two


def load(
    path: Path | str,
    *,
    profile: str | None = None,
    overrides: Sequence[str] = (),
    seeds: int | None = None,
    allow_large: bool = False,
) -> Suite:
    """Read and check a suite. Raises one ConfigError that holds a line for every mistake.

    `overrides` are texts `path=value` with paths from the suite's root (`base.dataset=faces`, `seeds=2`); they come
    after the profile. `seeds` is a number of seeds per level; the baseline gets twice as many.
    """
    root, problems = read(Path(path))
    if root is None:
        raise _error(problems)
    words = set(re.findall(r"\w+", " ".join([Path(path).read_text("utf-8"), *overrides])))
    probe.refuse_deadly(entry for entry in registry.entries() if entry.name in words)
    return _Loader(str(path), problems, plugins=True).load(root, profile, overrides, seeds, allow_large)


def load_resolved(text: str, source: str = "suite.yaml") -> Suite:
    """The suite that `dump` wrote, without importing any plugin: its names and options were checked before."""
    root, problems = parse(text, source, own=True)
    if root is None:
        raise _error(problems)
    return _Loader(source, problems, plugins=False).load(root, None, (), None, True)


def _error(problems: Sequence[Problem], most: int = 100) -> ConfigError:
    lines = list(dict.fromkeys(map(str, sorted(problems, key=lambda p: (p.mark.line, p.mark.column)))))
    more = [f"... and {len(lines) - most} more"] if len(lines) > most else []
    return ConfigError("\n".join(lines[:most] + more))


class _Loader:
    """Collects problems while it goes from the tree to the suite."""

    def __init__(self, source: str, problems: list[Problem], *, plugins: bool) -> None:
        self.source, self.problems, self.plugins = source, problems, plugins
        self.unclear = list(problems)  # what was doubtful as YAML is not judged any further

    def load(
        self, root: Node, profile: str | None, overrides: Sequence[str], seeds: int | None, allow_large: bool
    ) -> Suite:
        if not isinstance(root.value, dict):
            self.add(root.mark, "", "expected a mapping with name, question, base and axes")
            raise _error(self.problems)
        if self.plugins:
            self.problems += islice(secrets_in(root), MAX_PROBLEMS)
        fields = Fields(root, self.problems)
        fields.unknown_keys(root, KEYS, "")
        profiles = fields.profiles()
        resolved, known = fields.resolved()
        if profile is not None and profile not in profiles:
            hint = did_you_mean(profile, profiles)
            if resolved or known:
                hint = " The file is resolved: its profiles are not in it any more."
            self.add(Mark(source=self.source), "", f"there is no profile {profile!r}.{hint}")
        chosen = profiles.get(profile) if profile else None
        if self.plugins and (overrides or seeds is not None or profiles):
            self.check_file(root, profiles)
        suite, merged, base = self.settle(root, chosen, profile, overrides, seeds)
        if self.plugins and base is not None and self.size_is_allowed(merged, suite, allow_large):
            check_levels(suite, merged, base, self.problems)
        if self.problems:
            marks = {problem.mark for problem in self.unclear}
            raise _error(self.unclear + [problem for problem in self.problems if problem.mark not in marks])
        return replace(suite, profile=profile or resolved, profiles=tuple(profiles) or known)

    def add(self, mark: Mark, path: str, message: str) -> None:
        self.problems.append(Problem(mark=mark, path=path, message=message))

    def check_file(self, root: Node, profiles: dict[str, Node]) -> None:
        """The mistakes of the file itself, and of profiles that nobody asked for."""
        self.settle(root, None, None, (), None)
        for name, node in profiles.items():
            start = len(self.problems)
            self.settle(root, node, name, (), None)
            found = [problem for problem in self.problems[start:] if problem not in self.problems[:start]]
            self.problems[start:] = [
                p if p.path.startswith("profiles.") else replace(p, message=f"{p.message} (in the profile {name})")
                for p in found
            ]

    # --- one tree of what file, profile and command line say together ------------------------------
    def settle(
        self, root: Node, profile: Node | None, name: str | None, overrides: Sequence[str], seeds: int | None
    ) -> tuple[Suite, Node, Node | None]:
        """The suite, its tree, and the tree of its base."""
        held = dict(root.value) if isinstance(root.value, dict) else {}
        keys = dict(root.keys)
        settings: list[tuple[str, Setting]] = []
        if profile is not None and isinstance(profile.value, dict):
            own = {key: node for key, node in profile.value.items() if key in PROFILE_KEYS}
            settings += self.profile_settings(own.pop("set", None), f"profiles.{name}.set")
            _take(held, keys, own, profile.keys)
        for setting in map(self.override, overrides):
            if setting is None:
                continue
            if setting.steps[0] == "base" and len(setting.steps) > 1:
                path = setting.path.partition(".")[2]
                settings.append(("", replace(setting, path=path)))
            elif setting.steps[0] == "metrics":
                settings.append(("", replace(setting, path=f"evaluation.{setting.path}")))
            else:
                self.set_key(held, keys, setting)
        if seeds is not None:
            mark = Mark(source="--seeds")
            _take(held, keys, {"seeds": Node(value=seeds, mark=mark)}, {"seeds": mark})
        merged = Node(value=held, mark=root.mark, keys=keys)
        base = self.base(merged, settings)
        return self.suite(merged, base), merged, base

    def profile_settings(self, node: Node | None, path: str) -> list[tuple[str, Setting]]:
        if node is None or not isinstance(node.value, dict):
            return []
        settings = [Setting(path=key, mark=node.keys[key], value=value) for key, value in node.value.items()]
        return [(path, setting) for setting in settings]

    def override(self, text: str) -> Setting | None:
        path, equals, value = text.partition("=")
        mark = Mark(source=f"--set {text}")
        if not equals or not path.strip():
            self.add(mark, "", "expected path=value, such as base.training.batch_size=32")
            return None
        node, problems = parse(value.strip() or "null", mark.source, lines=False)
        self.problems += problems
        self.unclear += problems
        if node is None:
            return None
        if private := next(secrets_in(node, path.strip()), None):
            self.problems.append(replace(private, mark=Mark(source=f"--set {path.strip()}")))
            return None
        return Setting(path=path.strip(), mark=mark, value=node)

    def set_key(self, held: dict[str, Node], keys: dict[str, Mark], setting: Setting) -> None:
        """A path outside `base`."""
        first, *rest = setting.steps
        if first not in KEYS or first in ("profiles", "resolved"):
            known = sorted(KEYS - {"profiles", "resolved"})
            self.add(setting.mark, "", f"there is no {first!r} to set.{did_you_mean(first, known)}")
        elif first in ("options", "resources") and rest:
            inner = replace(setting, path=setting.path.partition(".")[2])
            record = RunOptions if first == "options" else Resources
            found = self.assigned(held.get(first, _empty(setting.mark)), record, "", inner)
            held[first], keys[first] = found, setting.mark
        elif rest or setting.appends:
            self.add(setting.mark, "", f"set {first} whole; only paths in base and options lead deeper")
        else:
            _take(held, keys, {first: setting.value}, {first: setting.mark})

    def assigned(self, node: Node, record: type, where: str, setting: Setting) -> Node:
        try:
            return assign(node, record, setting)
        except SettingError as error:
            self.add(setting.mark, f"{where}.{setting.path}" if where else setting.path, str(error))
            return node

    def base(self, root: Node, settings: Sequence[tuple[str, Setting]]) -> Node | None:
        """The tree of `base`, with `metrics`, profile and command line in it. None when there is no mapping."""
        assert isinstance(root.value, dict)
        node = root.value.get("base", _empty(root.mark))
        if node.value is None:
            node = _empty(node.mark)
        if not isinstance(node.value, dict):
            self.add(node.mark, "base", "expected a mapping")
            return None
        metrics = root.value.get("metrics")
        if metrics is not None:
            evaluation = node.value.get("evaluation")
            if evaluation is not None and isinstance(evaluation.value, dict) and "metrics" in evaluation.value:
                message = "metrics are named twice: here and at the suite's root"
                self.add(evaluation.keys["metrics"], "base.evaluation.metrics", message)
            setting = Setting(path="evaluation.metrics", mark=root.keys["metrics"], value=metrics)
            node = self.assigned(node, Base, "", setting)
        _, problems = build(node, plugins=self.plugins)
        self.problems += [_moved(problem, "base") for problem in problems]
        seen = {(problem.mark, problem.message) for problem in problems}
        for where, setting in settings:
            node = self.assigned(node, Base, where, setting)
        if settings:
            _, problems = build(node, plugins=self.plugins)
            where = settings[0][0] or "base"
            self.problems += [_moved(p, where) for p in problems if (p.mark, p.message) not in seen]
        return node

    # --- the record --------------------------------------------------------------------------------
    def suite(self, root: Node, base: Node | None) -> Suite:
        fields = Fields(root, self.problems)
        seeds = fields.seeds("seeds") or tuple(range(5))
        axes = fields.axes()
        chosen = fields.design(axes)
        plain = base.plain() if base else {}
        assert isinstance(plain, dict)
        suite = Suite(
            name=fields.name("name"),
            question=fields.question(),
            base=plain,
            axes=axes,
            design=chosen,
            seeds=seeds,
            baseline_seeds=fields.seeds("baseline_seeds") or more_seeds(seeds, 2 * len(seeds)),
            top_up=fields.top_up(seeds),
            margin=fields.margin(),
            exclude=fields.exclude(axes, chosen),
            options=self.options(root),
        )
        return replace(suite, primary_metric=self.primary_metric(root, base))

    def options(self, root: Node) -> RunOptions:
        assert isinstance(root.value, dict)
        node, own = root.value.get("options"), root.value.get("resources")
        if own is not None:
            node = node if node is not None and node.value is not None else _empty(root.mark)
            if isinstance(node.value, dict) and "resources" in node.value:
                self.add(root.keys["resources"], "resources", "are named twice: here and in options")
            if isinstance(node.value, dict):
                keys = node.keys | {"resources": root.keys["resources"]}
                node = Node(value=node.value | {"resources": own}, mark=node.mark, keys=keys)
        if node is None:
            return RunOptions()
        options, problems = build_options(node, plugins=self.plugins)
        if options is not None and not problems and self.plugins:
            check_loggers(options, node, problems)
        named = own is not None  # at the root, where they are told, too
        self.problems += [p if named and p.path.startswith("resources") else _moved(p, "options") for p in problems]
        return options or RunOptions()

    def primary_metric(self, root: Node, base: Node | None) -> str:
        """As named; else that of the first metric."""
        assert isinstance(root.value, dict)
        node = root.value.get("primary_metric")
        if node is not None and not (isinstance(node.value, str) and node.value):
            self.add(node.mark, "primary_metric", "expected the name of a metric")
            return "fid"
        built = build(base, plugins=False)[0] if base else None
        metrics: tuple[PluginSpec, ...] = built.evaluation.metrics if built else ()
        named = str(node.value) if node else next((spec.name for spec in metrics), "fid")
        if built and base and self.plugins:
            check_metrics(built, base, named, node, self.problems)
        return named

    def size_is_allowed(self, root: Node, suite: Suite, allow_large: bool) -> bool:
        """Counted, not made: levels of a suite that is refused for its size are not looked at."""
        cells = design.count(suite.axes, suite.design) * len(suite.seeds) + len(suite.baseline_seeds)
        if cells <= LARGE or allow_large:
            return True
        assert isinstance(root.value, dict)
        said = f"{cells:,}" if cells < 10**15 else f"about 10^{len(str(cells)) - 1}"
        message = f"{said} cells; more than {LARGE:,} must be allowed with --yes"
        self.add(root.keys.get("axes", root.mark), "axes", message)
        return False


def _take(held: dict[str, Node], keys: dict[str, Mark], own: dict[str, Node], marks: dict[str, Mark]) -> None:
    if "seeds" in own:
        for key in SEED_KEYS:
            held.pop(key, None)
    held.update(own)
    keys.update({key: marks[key] for key in own})


def _empty(mark: Mark) -> Node:
    return Node(value={}, mark=mark)


def _moved(problem: Problem, where: str) -> Problem:
    return replace(problem, path=f"{where}.{problem.path}" if problem.path else where)
