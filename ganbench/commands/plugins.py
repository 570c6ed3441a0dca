"""`ganbench list`, `show` and `plugins`: what is installed, and what of it is broken and why.

`list` and `plugins` import no plugin into this process; those of others are tried in one of their own.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict
from typing import Any

from ganbench import probe, registry
from ganbench.api.plugin import KINDS, Kind
from ganbench.commands.screen import columns, document, safe
from ganbench.errors import ConfigError, did_you_mean
from ganbench.source import locate

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
    broken = broken_of([entry for held in found.values() for entry in held], check=False)
    if as_json:
        document({kind: [list_row(entry, broken[entry]) for entry in held] for kind, held in found.items()})
        return 0
    for kind, held in found.items():
        if word is None:
            print(registry.group(kind).partition(".")[2])
        rows = [
            (entry.name, f"broken: {broken[entry]}" if broken[entry] else registry.summary(entry)) for entry in held
        ]
        print("\n".join(columns(rows, indent="  " if word is None else "")))
    return 0


def list_row(entry: registry.Entry, problem: str | None) -> dict[str, str | None]:
    return {"name": entry.name, "summary": registry.summary(entry), "problem": problem}


def show_one(word: str, name: str, as_json: bool) -> int:
    """The command; returns the exit code."""
    kind = kind_of(word)
    entry = registry.find(kind, name)
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
    tried = probe.problems(entries if check else probe.third_party(entries))
    return {entry: tried[entry] if entry in tried else problem_of(entry) for entry in entries}


def problem_of(entry: registry.Entry) -> str | None:
    """As far as it shows without importing anything."""
    return entry.problem or (None if locate(entry.module) else f"there is no module {entry.module}")
