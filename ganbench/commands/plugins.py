"""`ganbench list`, `show` and `plugins`: what is installed, and what of it is broken and why.

`list` imports no plugin: what is broken shows in the source, or was found when it was tried. `plugins` tries those of
others, in a process of their own.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from typing import Any

from ganbench import glance, probe, registry, tried
from ganbench.api.plugin import KINDS, Kind
from ganbench.commands.screen import columns, document, note, safe
from ganbench.errors import ConfigError, did_you_mean

HOOKS = (
    "configure",
    "prepare_networks",
    "before_update",
    "replace_fakes",
    "view",
    "adjust_targets",
    "extra_loss",
    "after_update",
)


def kind_of(word: str) -> Kind:
    """`loss` or `losses`."""
    names: dict[str, Kind] = {}
    for kind in KINDS:
        names |= {kind: kind, registry.group(kind).partition(".")[2]: kind}
    if word not in names:
        raise ConfigError(f"there is no kind of plugin called {word!r}.{did_you_mean(word, KINDS)}")
    return names[word]


def show_list(word: str | None, as_json: bool) -> int:
    """The command; returns the exit code."""
    kinds = KINDS if word is None else (kind_of(word),)
    found = {kind: registry.entries(kind) for kind in kinds}
    known = found_out([entry for held in found.values() for entry in held])
    if as_json:
        document({kind: [list_row(entry, known[entry]) for entry in held] for kind, held in found.items()})
        return 0
    for kind, held in found.items():
        if word is None:
            print(registry.group(kind).partition(".")[2])
        rows = [(entry.name, said_of(entry, known[entry].problem)) for entry in held]
        print("\n".join(columns(rows, indent="  " if word is None else "")))
    if strangers := sorted({entry.distribution for entry, one in known.items() if not one.tried}):
        note(f"not tried yet: the plugins of {', '.join(strangers)}; `ganbench plugins` does")
    return 0


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a plugin without importing it."""

    problem: str | None
    tried: bool  # False: it may be broken nevertheless


def found_out(entries: list[registry.Entry]) -> dict[registry.Entry, Known]:
    strange = probe.third_party(entries)
    outcomes = tried.known(strange)
    known = {entry: Known(problem=entry.problem or outcomes.get(entry), tried=True) for entry in entries}
    for entry in known.keys() - outcomes.keys():
        problem = of_source(entry)
        known[entry] = Known(problem=problem, tried=bool(problem) or entry not in strange)
    return known


def said_of(entry: registry.Entry, problem: str | None) -> str:
    return f"broken: {problem}" if problem else registry.summary(entry)


def list_row(entry: registry.Entry, known: Known) -> dict[str, str | bool | None]:
    return {"name": entry.name, "summary": registry.summary(entry), "problem": known.problem, "tried": known.tried}


def show_one(word: str, name: str, as_json: bool) -> int:
    """The command; returns the exit code."""
    kind = kind_of(word)
    entry = registry.find(kind, name)
    probe.refuse_deadly([entry])
    plugin = registry.plugin_class(kind, name)
    options = [option for option in registry.describe(plugin) if option.name != "memory"]
    text = inspect.cleandoc(plugin.__doc__ or "")
    hooks = overridden(plugin) if kind == "trick" else []
    if as_json:
        document(
            {
                "kind": kind,
                "name": name,
                "value": entry.value,
                "distribution": entry.distribution,
                "version": entry.version,
                "docstring": text,
                "options": [asdict(option) for option in options],
                "hooks": hooks,
            }
        )
        return 0
    print(safe(f"{kind} {name} ({entry.value}, {entry.distribution} {entry.version})"))
    print(safe(f"\n{text}\n"))
    if hooks:
        print(f"acts in: {', '.join(hooks)}\n")
    if not options:
        print("It has no options.")
        return 0
    rows = [(option.name, option.type, option.default, option.comment) for option in options]
    print("\n".join(columns([("option", "type", "default", ""), *rows])))
    return 0


def overridden(plugin: type) -> list[str]:
    """The moments at which a trick acts, in the order of a training step."""
    from ganbench.api.trick import Trick

    return [hook for hook in HOOKS if getattr(plugin, hook) is not getattr(Trick, hook)]


def show_plugins(check: bool, as_json: bool) -> int:
    """The command; returns the exit code: 2 where one is broken."""
    rows = plugin_rows(check)
    if as_json:
        document({"plugins": rows})
    else:
        names = ("kind", "name", "distribution", "version", "value")
        table = [names, *([row[name] for name in names] for row in rows)]
        print("\n".join(columns(table)))
        for row in rows:
            if row["problem"]:
                print(safe(f"broken: {row['kind']} {row['name']}: {row['problem']}"))
    return 2 if any(row["problem"] for row in rows) else 0


def plugin_rows(check: bool) -> list[dict[str, Any]]:
    """Every entry point with what is wrong with it; `check` tries the built-in ones, too."""
    entries = registry.entries()
    return [asdict(entry) | {"problem": problem} for entry, problem in broken_of(entries, check).items()]


def broken_of(entries: list[registry.Entry], check: bool) -> dict[registry.Entry, str | None]:
    """What is wrong with each. Those of others are always tried, in a process of their own."""
    found = probe.problems(entries if check else probe.third_party(entries))
    return {entry: found[entry] if entry in found else of_source(entry) for entry in entries}


def of_source(entry: registry.Entry) -> str | None:
    """What shows without importing it. Tests import the built-in ones: they only must be there."""
    if entry.distribution == "ganbench":
        return entry.problem or (None if glance.exists(entry.module) else f"there is no module {entry.module}")
    return glance.problem(entry)
