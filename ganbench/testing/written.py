"""What can be seen in a plugin's class and source without running it: types, comments, errors kept silent."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from ganbench import registry, source
from ganbench.api.plugin import Plugin
from ganbench.errors import GanbenchError

VAGUE = (Any, object, list, dict, tuple, set)
BROAD = ("Exception", "BaseException")


def home_file(plugin: Plugin) -> Path | None:
    """The source file of its class."""
    try:
        return Path(inspect.getfile(type(plugin)))
    except (OSError, TypeError):
        return None


def check_typed(plugin: Plugin) -> None:
    """Every option is a field with a type that says what YAML may hold."""
    kind = type(plugin)
    for owner in own_classes(kind):
        own = owner.__dict__
        annotated = inspect.get_annotations(owner)
        for name, value in own.items():
            if name.startswith("_") or name in annotated or hasattr(Plugin, name) or inherited(owner, name):
                continue
            if isinstance(value, property | cached_property | staticmethod | classmethod) or inspect.isroutine(value):
                continue
            raise AssertionError(
                f"{name} has no type, so it is no option and no suite can set it: write `{name}: "
                f"{type(value).__name__} = {value!r}`, or `{name}: ClassVar[...]` if it shall be none"
            )
        options = [name for name, note in annotated.items() if "ClassVar" not in str(note)]
        assert not options or "__dataclass_params__" in own, (
            f"{options[0]} is no option, since {owner.__name__} is no dataclass of its own: put "
            "@dataclass(frozen=True, kw_only=True) above it"
        )
    hints = get_type_hints(kind)
    for option in fields(plugin):
        hint = hints.get(option.name)
        assert hint not in VAGUE, (
            f"the type of {option.name} says nothing ({getattr(hint, '__name__', hint)}): "
            "write tuple[int, ...], dict[str, float], Literal['a', 'b'] or the like, so that suites are checked"
        )
        inner = [arm for arm in get_args(hint) if arm is Any] if get_origin(hint) is not ClassVar else []
        assert not inner, f"the type of {option.name} has an Any in it, so suites are not checked: say what it holds"
        assert option.kw_only, f"{option.name} can be given by place: put kw_only=True into @dataclass"


def own_classes(kind: type) -> Iterator[type]:
    """The class and its bases up to those of ganbench."""
    yield from (owner for owner in kind.__mro__ if not owner.__module__.startswith(("ganbench.", "builtins")))


def inherited(owner: type, name: str) -> bool:
    """Whether a base class has that name already, such as `reads_labels`."""
    return any(name in base.__dict__ or name in inspect.get_annotations(base) for base in owner.__mro__[1:])


def check_documented(plugin: Plugin) -> None:
    """A first line that says what it is, and range and meaning beside every option."""
    kind = type(plugin)
    first = (kind.__doc__ or "").strip().partition("\n")[0]
    assert len(first) > 10, f"the docstring of {kind.__name__} says too little: {first!r}. `ganbench list` prints it"
    silent = [option.name for option in registry.describe(kind) if option.name != "memory" and not option.comment]
    assert not silent, (
        f"the option {silent[0]} has no comment: write range and meaning beside it, as in "
        f"`{silent[0]}: ... = ...  # share of the images, in [0, 1]`"
    )


def check_errors(plugin: Plugin) -> None:
    """No error is kept silent: the harness names the plugin and fails the cell, which is what a user needs to know."""
    file = home_file(plugin)
    package = source.package_sources(type(plugin).__module__)
    for path in {*package.values(), *([file] if file else [])}:
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            silent = keeps_silent(node)
            if silent is not None and not explained(text.splitlines()[silent.lineno - 1]):
                raise AssertionError(
                    f"{path.name}:{silent.lineno} hides whatever goes wrong: catch the one error that you expect, or "
                    "let it through; the cell then fails with its reason instead of training something else. Where "
                    "really nobody needs to know, say why in a comment on that line"
                )


def explained(line: str) -> bool:
    """Whether a comment stands there, and is no word to a linter."""
    said = line.partition("#")[2].strip()
    return bool(said) and not said.startswith(("noqa", "pragma", "type:", "pylint"))


def keeps_silent(node: ast.AST) -> ast.expr | ast.stmt | ast.ExceptHandler | None:
    """A handler of all errors that neither raises nor looks at the error; or contextlib.suppress of all of them."""
    if isinstance(node, ast.ExceptHandler):
        caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
        broad = node.type is None or any(isinstance(one, ast.Name) and one.id in BROAD for one in caught)
        inside = [inner for statement in node.body for inner in ast.walk(statement)]
        used = any(isinstance(inner, ast.Name) and inner.id == node.name for inner in inside)
        raises = any(isinstance(inner, ast.Raise) for inner in inside)
        return node if broad and not used and not raises else None
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        broad = any(isinstance(one, ast.Name) and one.id in BROAD for one in node.args)
        return node if broad else None
    return None


def check_construction(make: Callable[[], Plugin]) -> None:
    """Making it with its defaults works, and twice gives equal ones."""
    try:
        one, other = make(), make()
    except TypeError as error:
        raise AssertionError(f"it cannot be made with its defaults ({error}): give every option a default") from error
    except GanbenchError as error:
        raise AssertionError(f"it cannot be made: {error}") from error
    assert one == other, "made twice it is not equal: a default must not be drawn or counted"
