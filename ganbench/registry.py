"""Kind + name -> plugin class, lazily, from entry points: listing imports nothing, and naming one imports that one."""

from __future__ import annotations

import importlib
import importlib.metadata as metadata
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, cast, get_type_hints

from ganbench import announced, source
from ganbench.api.config import Json, PluginSpec
from ganbench.api.plugin import KINDS, Kind, Plugin
from ganbench.api.validate import Fault, adapter, validate
from ganbench.errors import ConfigError, PluginLoadError, UnknownPlugin, did_you_mean
from ganbench.untouched import untouched


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A plugin as its distribution announces it. Making one imports nothing."""

    kind: Kind
    name: str
    value: str  # "module:Class"
    distribution: str
    version: str
    problem: str | None = None  # why it cannot be used, as far as that shows without importing it

    @property
    def module(self) -> str:
        return self.value.partition(":")[0].strip()

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} ({self.value}, from {self.distribution} {self.version})"


def group(kind: Kind) -> str:
    """The entry-point group of a kind: `ganbench.losses`."""
    return f"ganbench.{kind}{'es' if kind.endswith('s') else 's'}"


def entries(kind: Kind | None = None) -> list[Entry]:
    """All installed plugins, sorted by kind and name. Nothing is imported."""
    return [entry for entry in _scan() if kind in (None, entry.kind)]


def home(plugin: type[Plugin]) -> str:
    """What is announced as that class: `dataset 'mine' (mine:Mine, from my-pack 1.2)`; its path where nothing is."""
    path = f"{plugin.__module__}:{plugin.__qualname__}"
    return next((str(entry) for entry in entries() if entry.value == path), path)


def installed() -> object:
    """The same object as long as the same plugins are."""
    return _scan()


def names(kind: Kind) -> list[str]:
    return sorted({entry.name for entry in entries(kind)})


@cache
def _scan() -> tuple[Entry, ...]:
    points = announced.points([group(kind) for kind in KINDS])
    return tuple(entry for kind in KINDS for entry in _of_kind(kind, points[group(kind)]))


def _of_kind(kind: Kind, points: Iterable[metadata.EntryPoint]) -> list[Entry]:
    found = {_entry(kind, point) for point in points}
    homes: dict[str, list[str]] = {}
    for entry in sorted(found, key=lambda entry: (entry.distribution, entry.value)):
        homes.setdefault(entry.name, []).append(f"{entry.distribution} {entry.version} ({entry.value})")
    marked = []
    for entry in found:
        problem = None
        if not entry.name.isidentifier():
            problem = f"{entry.name!r} is no name: letters, digits and _ only"
        elif not metadata.EntryPoint.pattern.match(entry.value):
            problem = f"{entry.value!r}, which {entry.distribution} announces, is no `module:Class`"
        if len(homes[entry.name]) > 1:
            problem = f"more than one {kind} is called {entry.name!r}: {' and '.join(homes[entry.name])}. Uninstall one"
        marked.append(replace(entry, problem=problem))
    return sorted(marked, key=lambda entry: (entry.name, entry.distribution, entry.value))


def _entry(kind: Kind, point: metadata.EntryPoint) -> Entry:
    distribution, version = announced.name_and_version(point.dist)
    return Entry(kind=kind, name=point.name, value=point.value, distribution=distribution, version=version)


def find(kind: Kind, name: str) -> Entry:
    """The entry of that name. Raises UnknownPlugin, with what was probably meant."""
    for entry in entries(kind):
        if entry.name == name:
            return entry
    raise UnknownPlugin(f"no {kind} is called {name!r}.{did_you_mean(name, names(kind))}")


@cache
def plugin_class(kind: Kind, name: str) -> type[Plugin]:
    """Imports and checks one plugin. Raises UnknownPlugin or PluginLoadError."""
    return load(find(kind, name))


_refused: dict[Entry, str] = {}


def refuse(entry: Entry, reason: str) -> None:
    """Never import it in this process: importing it ended or stopped another one."""
    _refused[entry] = reason


def load(entry: Entry) -> type[Plugin]:
    """The class behind an entry, which need not be installed. Raises PluginLoadError."""
    if problem := entry.problem or _refused.get(entry):
        raise PluginLoadError(problem)
    base = getattr(importlib.import_module(f"ganbench.api.{entry.kind}"), entry.kind.capitalize())
    try:
        with untouched() as changed:
            found = metadata.EntryPoint(name=entry.name, value=entry.value, group=group(entry.kind)).load()
    except BaseException as error:  # a module may also exit or interrupt when it is imported
        reason = " ".join(str(error).split())[:300]
        raise PluginLoadError(f"{entry} cannot be imported: {type(error).__name__}: {reason}") from error
    if changed:
        raise PluginLoadError(f"{entry} changes {' and '.join(changed)} of the process when it is imported")
    if not (isinstance(found, type) and issubclass(found, base)):
        raise PluginLoadError(f"{entry} is not a subclass of ganbench.{base.__name__}")
    try:
        get_type_hints(found)
        adapter(found)
    except Exception as error:  # an annotation that names nothing, or a type that JSON cannot give
        reason = str(error).splitlines()[0]
        raise PluginLoadError(f"{entry} has options that cannot be checked: {reason}") from error
    return cast("type[Plugin]", found)


def check(kind: Kind, spec: PluginSpec) -> tuple[Plugin | None, list[Fault]]:
    """The plugin, or None and all that is wrong with its options. Raises UnknownPlugin or PluginLoadError."""
    return validate(plugin_class(kind, spec.name), spec.options)


def make(kind: Kind, spec: PluginSpec, where: str = "") -> Plugin:
    """The plugin that a suite names, with its options checked. Raises ConfigError with a line per mistake."""
    plugin, faults = check(kind, spec)
    if plugin is None:
        lines = [f"{'.'.join(map(str, (spec.name, *fault.at)))}: {fault.message}" for fault in faults]
        raise ConfigError("\n".join(f"{where}: {line}" if where else line for line in lines))
    return plugin


def plugin(kind: Kind, name: str, **options: Json) -> Plugin:
    """Another plugin, for one that builds on it: `plugin("dataset", "faces", size=64)`. Its source is not part of the
    digest of the one that uses it: put `plugin_digest` into the keys of what is cached and into `protocol`."""
    return make(kind, PluginSpec(name=name, options=options))


def plugin_digest(kind: Kind, name: str) -> str:
    """The source digest of another plugin."""
    return source_digest(find(kind, name))


def options(plugin: Plugin) -> dict[str, Json]:
    """All options with their values, the defaults included, as plain JSON."""
    plain: dict[str, Any] = adapter(cast(Any, type(plugin))).dump_python(plugin, mode="json")
    return {field.name: plain[field.name] for field in fields(plugin)}


def summary(entry: Entry) -> str:
    """The first line of its docstring, read from the source without importing it."""
    return source.first_line(entry.value)


def source_digest(entry: Entry) -> str:
    """sha256 over its module and those of its own top-level package that it imports: a changed plugin makes results
    stale. Where there is no source to read, its distribution and version stand for it."""
    return source.digest(entry.module) or f"{entry.distribution} {entry.version}"


reading_once = source.reading_once  # a context in which no source is digested twice
once = source.once  # in that context, nothing else either
describe = source.describe  # the fields of a plugin or configuration record, with the comments beside them
