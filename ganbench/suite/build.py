"""A tree with marks -> RunConfig and EvaluationConfig, and every mistake in it at its line and column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, TypeVar, cast

from ganbench import registry
from ganbench.api.config import EvaluationConfig, Json, PluginSpec, RunConfig, RunOptions
from ganbench.api.plugin import Kind
from ganbench.api.validate import Fault, show, validate
from ganbench.errors import ConfigError, PluginLoadError, UnknownPlugin
from ganbench.suite import ranges
from ganbench.suite.settings import SettingError, hints, is_plugin_list, spec_parts
from ganbench.suite.yaml import MAX_PROBLEMS, Mark, Node, Problem, node_of

T = TypeVar("T")
MOST_KNOWN = 20_000  # records, of some kB each


@dataclass(frozen=True, kw_only=True)
class Base(RunConfig):
    """What `base:` holds: all that makes the networks, and how they are judged."""

    evaluation: EvaluationConfig = EvaluationConfig()

    @cached_property
    def config(self) -> RunConfig:
        return RunConfig(**{field.name: getattr(self, field.name) for field in fields(RunConfig)})


KIND_OF: dict[str, Kind] = {  # the fields that name plugins
    "dataset": "dataset",
    "architecture": "architecture",
    "loss": "loss",
    "tricks": "trick",
    "procedure": "procedure",
    "extractor": "extractor",
    "metrics": "metric",
    "loggers": "logger",
}


@dataclass
class _Known:
    """What was found to be sound: a suite's levels are built when it is read, and again when it is expanded."""

    installed: object = None
    records: dict[tuple[Any, bool, str], Any] = field(default_factory=dict)

    def of(self, installed: object) -> dict[tuple[Any, bool, str], Any]:
        if self.installed is not installed or len(self.records) > MOST_KNOWN:
            self.installed, self.records = installed, {}
        return self.records


_known = _Known()


def build(node: Node, *, plugins: bool = True) -> tuple[Base | None, list[Problem]]:
    """The configuration of a tree; without `plugins`, their names and options are taken as they are."""
    return _build(node, Base, ranges.BASE, plugins)


def build_options(node: Node, *, plugins: bool = True) -> tuple[RunOptions | None, list[Problem]]:
    """The same for `options:`."""
    return _build(node, RunOptions, ranges.OPTIONS, plugins)


def base_of(plain: Json) -> Base:
    """The configuration of a plain value that was checked before. Raises ConfigError where it was not."""
    base, problems = build(node_of(plain, Mark(source="base")))
    if base is None:
        raise ConfigError("\n".join(map(str, problems)))
    return base


def place(node: Node, at: tuple[str | int, ...], of_key: bool = False) -> tuple[Mark, str]:
    """Mark and path of what stands at some keys of a tree; of the nearest thing above where nothing does."""
    mark, shown = node.mark, []
    for depth, step in enumerate(at):
        last = depth == len(at) - 1
        shown.append(str(step))
        if isinstance(node.value, dict) and step in node.value:
            mark = node.keys[str(step)] if of_key and last else node.value[str(step)].mark
            node = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.mark
    return mark, ".".join(shown)


def _build(node: Node, record: type[T], table: list[Any], plugins: bool) -> tuple[T | None, list[Problem]]:
    problems: list[Problem] = []
    shaped = _shape(node, record, (), problems)
    plain = _canonical_specs(shaped, record)
    key, known = (record, plugins, json.dumps(plain)), _known.of(registry.installed())
    if not problems and key in known:
        return cast(T, known[key]), []
    found, faults = validate(record, plain)
    many = len(faults) > MAX_PROBLEMS
    for fault in faults[:MAX_PROBLEMS]:
        mark, path = place(shaped, fault.at, fault.of_key)
        problems.append(Problem(mark=mark, path=path, message=fault.message))
    if plugins:
        problems += islice(_plugin_problems(shaped, record, ()), MAX_PROBLEMS)
    sound = found
    if faults and not many:  # the rest is looked at without the faulty values, so that all mistakes are told at once
        for fault in sorted(faults, key=lambda fault: str(fault.at), reverse=True):
            shaped = _without(shaped, fault.at)
        sound, _ = validate(record, _canonical_specs(shaped, record))
    if sound is not None:
        for at, sentence in ranges.outside(sound, table):
            mark, path = place(shaped, at)
            value = place_value(shaped, at)
            message = f"{sentence}, not {show(value.plain())}" if value else sentence
            problems.append(Problem(mark=mark, path=path, message=message))
    if found is not None and not problems:
        known[key] = found
    return (None if problems else found), problems


def _without(node: Node, at: tuple[str | int, ...]) -> Node:
    """The tree without what stands at that place."""
    if at and isinstance(node.value, dict) and at[0] in node.value:
        key = str(at[0])
        held = {name: child for name, child in node.value.items() if name != key or len(at) > 1}
        if len(at) > 1:
            held[key] = _without(held[key], at[1:])
        return replace(node, value=held)
    if at and isinstance(node.value, list):  # a faulty item: the list as a whole has no meaning
        return replace(node, value=[])
    return node


def place_value(node: Node, at: tuple[str, ...]) -> Node | None:
    for step in at:
        if not isinstance(node.value, dict) or step not in node.value:
            return None
        node = node.value[step]
    return node


def _shape(node: Node, record: Any, at: tuple[str, ...], problems: list[Problem]) -> Node:
    """The tree with each plugin written as {name: options}; malformed ones are reported and left out."""
    if not isinstance(node.value, dict):
        return node
    held: dict[str, Node] = {}
    for name, child in node.value.items():
        kind = hints(record).get(name)
        path = (*at, name)
        if kind is PluginSpec:
            found = _shape_spec(child, path, problems)
            if found is None:
                continue
            child = found
        elif is_plugin_list(kind) and isinstance(child.value, list):
            items = [_shape_spec(item, (*path, str(index)), problems) for index, item in enumerate(child.value)]
            child = Node(value=[item for item in items if item is not None], mark=child.mark)
        elif isinstance(kind, type) and hasattr(kind, "__dataclass_fields__"):
            child = _shape(child, kind, path, problems)
        held[name] = child
    return Node(value=held, mark=node.mark, keys=node.keys)


def _shape_spec(node: Node, at: tuple[str, ...], problems: list[Problem]) -> Node | None:
    try:
        name, mark, options = spec_parts(node)
    except SettingError as error:
        problems.append(Problem(mark=node.mark, path=".".join(at), message=str(error)))
        return None
    return Node(value={name: options}, mark=mark, keys={name: mark})


def _specs(node: Node, record: Any, at: tuple[str | int, ...]) -> Iterator[tuple[Kind, tuple[str | int, ...], Node]]:
    """Every plugin of a shaped tree: its kind, where it stands, and its {name: options}."""
    for name, child in node.value.items() if isinstance(node.value, dict) else ():
        kind = hints(record).get(name)
        if kind is PluginSpec:
            yield KIND_OF[name], (*at, name), child
        elif is_plugin_list(kind) and isinstance(child.value, list):
            yield from ((KIND_OF[name], (*at, name, index), item) for index, item in enumerate(child.value))
        elif isinstance(kind, type) and hasattr(kind, "__dataclass_fields__"):
            yield from _specs(child, kind, (*at, name))


def _canonical_specs(node: Node, record: Any) -> Json:
    """The plain value of a shaped tree, with plugins as the records {name, options}."""
    plain = node.plain()
    for _, at, spec in _specs(node, record, ()):
        inner: Any = plain
        for step in at[:-1]:
            inner = inner[step]
        assert isinstance(spec.value, dict)
        ((name, options),) = spec.value.items()
        inner[at[-1]] = {"name": name, "options": options.plain()}
    return plain


def _plugin_problems(node: Node, record: Any, at: tuple[str | int, ...]) -> Iterator[Problem]:
    for kind, where, spec in _specs(node, record, at):
        assert isinstance(spec.value, dict)
        ((name, options),) = spec.value.items()
        path = ".".join(map(str, where))
        try:
            faults = _option_faults(kind, name, json.dumps(options.plain(), sort_keys=True))
        except (UnknownPlugin, PluginLoadError) as error:
            yield Problem(mark=spec.keys[name], path=path, message=str(error))
            continue
        for fault in faults:
            mark, inner = place(spec, (name, *fault.at), fault.of_key)
            message = fault.message.replace("unknown field.", f"unknown option of {name}.", 1)
            yield Problem(mark=mark, path=f"{path}.{inner}", message=message)


@lru_cache(maxsize=4096)
def _option_faults(kind: Kind, name: str, options: str) -> tuple[Fault, ...]:
    spec = PluginSpec(name=name, options=cast("dict[str, Json]", json.loads(options)))
    return tuple(registry.check(kind, spec)[1])
