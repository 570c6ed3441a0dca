"""Copies what pages quote from the code: `python docs/sync.py` rewrites them, tests/test_docs.py compares.

A page marks such a passage with `<!-- begin: WHAT -->` and `<!-- end -->`. WHAT is a file below docs/, the name of a
configuration record (a table of its fields), `plugins` (a table of the built-in ones), or `reference:MODULE` (what a
public module exports, from its docstrings).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
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
    if what.startswith("reference:"):
        return reference(importlib.import_module(what.removeprefix("reference:")))
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


# --- the reference -----------------------------------------------------------------------------------
def reference(module: types.ModuleType) -> str:
    """Every public name of a module: how it is called, what its docstring says, fields and methods."""
    parts = [part for name in exported(module) for part in entry(name, getattr(module, name))]
    return "\n" + "\n\n".join(parts) + "\n\n"


def exported(module: types.ModuleType) -> list[str]:
    """In alphabetical order, but for a module without `__all__`, which is read from top to bottom."""
    if hasattr(module, "__all__"):
        return sorted(set(module.__all__) - {"__version__"}, key=lambda name: (name.lower(), name))
    own = [(name, value) for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return [name for name, value in own if inspect.isfunction(value) or inspect.isclass(value)]


def entry(name: str, value: Any) -> Iterator[str]:
    yield f"### `{name}`"
    if not inspect.isclass(value) and not inspect.isfunction(value):
        yield f"```text\n{name} = {' '.join(str(value).split())}\n```"
        return
    yield f"```text\n{called(name, value)}\n```"
    if said := own_docstring(value):
        yield said
    if not inspect.isclass(value):
        return
    if dataclasses.is_dataclass(value):
        told = [option for option in source.describe(value) if option.name in value.__annotations__ and option.comment]
        if told:
            yield "\n".join(f"- `{option.name}`: {option.comment}" for option in told)
    for method, held in vars(value).items():
        property_of = getattr(held, "fget", None) or (
            held.func if isinstance(held, functools.cached_property) else None
        )
        function = property_of or held
        if method.startswith("_") or not inspect.isfunction(function):
            continue
        answer = annotation(inspect.signature(function).return_annotation)
        shown = f"{method}: {answer}" if property_of else called(method, function)
        line = own_docstring(function).replace("\n", " ")
        yield f"- **`{shown}`**" + (f"<br>{line}" if line else "")


def called(name: str, value: Any) -> str:
    """As one would write it; of dataclasses with many fields, a line each."""
    if inspect.isclass(value) and not dataclasses.is_dataclass(value):
        places = {base: "nn." if base.__module__.startswith("torch.nn.") else "" for base in value.__bases__}
        bases = ", ".join(place + base.__name__ for base, place in places.items() if base is not object)
        return f"class {name}({bases})" if bases else f"class {name}"
    signature = inspect.signature(value)
    kept = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    shown = [parameter_in_code(parameter) for parameter in kept]
    if any(one.kind is one.KEYWORD_ONLY for one in kept):
        shown.insert([one.kind is one.KEYWORD_ONLY for one in kept].index(True), "*")
    answer = "" if inspect.isclass(value) else f" -> {annotation(signature.return_annotation)}"
    line = f"{name}({', '.join(shown)}){answer}"
    if len(line) <= 100 or not inspect.isclass(value):
        return line
    return f"{name}(\n" + "".join(f"    {word},\n" for word in shown) + f"){answer}"


def parameter_in_code(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    kind = "" if parameter.annotation is parameter.empty else f": {annotation(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {default_in_code(parameter.default)}"
    return f"{stars}{parameter.name}{kind}{default}"


def default_in_code(value: Any) -> str:
    """A default, where it is short and the same in every process."""
    text = repr(value)
    return "..." if len(text) > 30 or "<" in text or " at 0x" in text else text


def annotation(value: Any) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "None")


def own_docstring(value: Any) -> str:
    """Not what `dataclass` writes for itself, nor what a base class says."""
    text = inspect.cleandoc(value.__dict__.get("__doc__") or "") if inspect.isclass(value) else inspect.getdoc(value)
    return "" if not text or text.startswith(f"{value.__name__}(") else text


if __name__ == "__main__":
    main()
