"""Copies what pages quote from the code: `python docs/sync.py` rewrites them, tests/test_docs.py compares.

A page marks such a passage with `<!-- begin: WHAT -->` and `<!-- end -->`. WHAT is a file below docs/, the name of a
configuration record (a table of its fields), or `plugins` (a table of the built-in ones).
"""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ganbench import source
from ganbench.api import config
from ganbench.api.plugin import KINDS
from ganbench.registry import group

DOCS = Path(__file__).parent
PASSAGE = re.compile(r"(<!-- begin: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
PLAIN = {bool: "true or false", int: "whole number", float: "number", str: "text", config.PluginSpec: "plugin"}


def main() -> None:
    for page in pages():
        text = page.read_text("utf-8")
        if (wanted := synced(text)) != text:
            page.write_text(wanted, "utf-8")
            print(page)


def pages() -> Iterator[Path]:
    yield from sorted(DOCS.rglob("*.md"))


def synced(text: str) -> str:
    """The page with every marked passage as it should be."""
    return PASSAGE.sub(lambda found: f"{found[1]}{passage(found[2])}{found[3]}", text)


def passage(what: str) -> str:
    if what == "plugins":
        return plugins()
    if hasattr(config, what):
        return table(getattr(config, what))
    path = DOCS / what
    return f"```{path.suffix[1:].replace('py', 'python')}\n{path.read_text('utf-8')}```\n"


def plugins() -> str:
    """Kind, name and first docstring line of all built-in plugins."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))["project"]
    lines = ["| kind | name | what it is |", "|---|---|---|"]
    for kind in KINDS:
        for name, value in sorted(project["entry-points"].get(group(kind), {}).items()):
            lines.append(f"| {kind} | `{name}` | {source.first_line(value)} |")
    return "\n".join(lines) + "\n"


def table(record: Any) -> str:
    """The fields of a configuration record, with the comments that stand beside them in the source."""
    lines = ["| field | value | default | meaning |", "|---|---|---|---|"]
    kinds = get_type_hints(record)
    defaults = {field.name: field.default for field in fields(record)}
    defaults |= {f.name: f.default_factory() for f in fields(record) if f.default_factory is not MISSING}
    for option in source.describe(record):
        told = (f"`{option.name}`", kind_of(kinds[option.name]), default_of(defaults[option.name]), option.comment)
        lines.append(f"| {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def kind_of(kind: Any) -> str:
    """A type, in the words of a suite."""
    if get_origin(kind) in (Union, types.UnionType):
        arms = [kind_of(arm) for arm in get_args(kind) if arm is not type(None)]
        return ", ".join(arms) + " or null"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {kind_of(get_args(kind)[0])}s"
    if get_origin(kind) is dict:
        return f"name: {kind_of(get_args(kind)[1])}"
    if kind not in PLAIN and is_dataclass(kind):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return PLAIN[kind]


def default_of(value: Any) -> str:
    """A default as one would write it in a suite; of records, only where it is short."""
    if isinstance(value, config.PluginSpec):
        return f"`{value.name}`"
    if isinstance(value, config.Budget):
        return "`{" + ", ".join(f"{name}: {v}" for name, v in asdict(value).items() if v is not None) + "}`"
    if is_dataclass(value):
        return ""
    if isinstance(value, tuple):
        return "`[" + ", ".join(default_of(item).strip("`") for item in value) + "]`"
    if value is None or isinstance(value, bool):
        return {None: "`null`", True: "`true`", False: "`false`"}[value]
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    main()
