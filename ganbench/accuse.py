"""What a plugin raises where no cell is there to fail by it: data that are made, weights that are loaded, a report that
is written. One line says which plugin, what it was doing, what happened, and where in its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from ganbench import registry
from ganbench.api.plugin import KINDS, Plugin
from ganbench.blame import lacks_memory, said_by
from ganbench.errors import GanbenchError, PluginError
from ganbench.redact import redact

OURS = ("ganbench", "ganbench_zoo")  # top-level packages of this distribution
DOING = {  # by kind of plugin, and its method that was called
    ("dataset", "info"): "while saying what its data are",
    ("dataset", "identity"): "while saying which files its data are",
    ("dataset", "make"): "while making its images",
    ("extractor", "digest"): "while looking at its weights",
    ("extractor", "load"): "while loading its network",
    ("metric", "keys"): "while naming its numbers",
    ("metric", "problem"): "while saying whether it fits the data",
    ("metric", "prepare"): "while getting ready on the real images",
    ("architecture", "generator"): "while building a generator",
    ("architecture", "discriminator"): "while building a discriminator",
    ("procedure", "step"): "while training a step",
    ("report", "write"): "while writing its files",
    ("executor", "start"): "while starting its workers",
    ("logger", "problem"): "while saying what it lacks",
}


@dataclass(frozen=True, kw_only=True)
class Accused:
    """A plugin whose code an exception has come through."""

    home: str  # "dataset 'mine' (mine:Mine, from my-pack 1.2)"
    package: str  # top-level package of its code
    doing: str  # "while making its images"
    owner: Plugin | None = None  # None where only its package is known


@contextmanager
def accusing() -> Iterator[None]:
    """What a plugin raises within becomes a PluginError, with the sentence of `plugin_failure`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        sentence = plugin_failure(error)
        if sentence is None:
            raise
        raise PluginError(sentence) from error


def plugin_failure(error: BaseException) -> str | None:
    """Which plugin, what it was doing, what happened, and where, in one line. None for what says by itself what is
    wrong, where no plugin took part, and where the code is ganbench's own: that is a bug in ganbench."""
    if isinstance(error, GanbenchError | BrokenPipeError) or not isinstance(error, Exception | SystemExit):
        return None
    found = accused(error.__traceback__)
    if found is None:
        return None
    if package(innermost(error.__traceback__, found.package)) in OURS and not lacks_memory(error):
        return None
    return f"{found.home} failed {found.doing}: {said_and_where(error, found.package)}"


def said_and_where(error: BaseException, own: str) -> str:
    """`KeyError: 'hair' (/home/me/mine.py:41)`: the innermost line in a package, or else of all."""
    place = innermost(error.__traceback__, own)
    return f"{redact(said_by(error))} ({place.tb_frame.f_code.co_filename}:{place.tb_lineno})"


def accused(trace: TracebackType | None) -> Accused | None:
    """The innermost plugin of a traceback: by `self`, by the class whose method has made a function, or by module."""
    found: Accused | None = None
    while trace is not None:
        frame, function = trace.tb_frame, trace.tb_frame.f_code.co_name
        owner = frame.f_locals.get("self")
        if isinstance(owner, Plugin):
            if found is None or found.owner is not owner:
                found = of_plugin(owner, function)
        else:
            home = home_of_class(module_of(trace), frame.f_code.co_qualname)
            if not home and (found is None or found.package != package(trace)):
                home = home_of_module(module_of(trace))
            if home and (found is None or found.home != home):
                found = Accused(home=home, package=package(trace), doing=f"in {function}()")
        trace = trace.tb_next
    return found


def of_plugin(plugin: Plugin, function: str) -> Accused:
    modules = [base.__module__ for base in type(plugin).__mro__]
    kind = next((kind for kind in KINDS if f"ganbench.api.{kind}" in modules), "")
    doing = DOING.get((kind, function), f"in {function}()")
    own = type(plugin).__module__.partition(".")[0]
    return Accused(home=registry.home(type(plugin)), package=own, doing=doing, owner=plugin)


def home_of_class(module: str, function: str) -> str:
    """The plugin in whose method a function stands: `Eyes.load.<locals>.see`."""
    path = f"{module}:{function.partition('.')[0]}"
    return next((str(entry) for entry in registry.entries() if entry.value == path), "")


def home_of_module(module: str) -> str:
    """The plugins that are in a module, or else whose top-level package it is in; empty where there are none."""
    known = [entry for entry in registry.entries() if entry.module == module]
    if len(known) == 1:
        return str(known[0])
    top = module.partition(".")[0]
    near = known or [entry for entry in registry.entries() if entry.module.partition(".")[0] == top]
    near = [] if top == "ganbench" else near
    return next((f"a plugin of {entry.distribution} {entry.version} ({module})" for entry in near), "")


def innermost(trace: TracebackType | None, own: str) -> TracebackType:
    """The innermost frame in a package; else of all."""
    assert trace is not None
    found, last = None, trace
    step: TracebackType | None = trace
    while step is not None:
        found, last, step = step if package(step) == own else found, step, step.tb_next
    return found or last


def module_of(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__", ""))


def package(trace: TracebackType) -> str:
    return module_of(trace).partition(".")[0]


T = TypeVar("T")


def returned(kind: type[T], plugin: Plugin, method: str, value: object) -> T:
    """What a method has returned. Raises PluginError for something else than it should: what that breaks later would
    look like a mistake of whoever stumbles over it."""
    if isinstance(value, kind):
        return value
    said = f"{method}() has returned {type(value).__name__} instead of {kind.__name__}"
    raise PluginError(f"{registry.home(type(plugin))}: {said}")
