"""Why a plugin cannot be imported, as far as its source shows without being run. Only what is certain is told."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from pathlib import Path

from ganbench.registry import Entry
from ganbench.source import locate

ENDS = ("sys.exit", "exit", "quit", "os._exit", "os.abort")  # calls after which nothing is imported
HARMLESS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign, ast.Pass)


class _Unclear(Exception):
    """What follows depends on what has been run before."""


def problem(entry: Entry) -> str | None:
    """None where nothing shows; the plugin may be broken nevertheless."""
    if entry.problem:
        return entry.problem
    if not exists(entry.module):
        return f"there is no module {entry.module}"
    try:
        reason = _stops(entry.module, set())
    except _Unclear:
        return None
    if reason:
        return f"{entry} cannot be imported: {reason}"
    return _no_plugin(entry)


def exists(module: str) -> bool:
    """Whether there is a module, in Python or compiled; found without running its parent packages."""
    if locate(module):
        return True
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None or not rest:
        return spec is not None
    places = [Path(folder, *rest) for folder in spec.submodule_search_locations or ()]
    return any(
        place.is_dir() or place.with_name(place.name + end).is_file() for place in places for end in all_suffixes()
    )


def _stops(module: str, seen: set[str]) -> str:
    """What ends the import of a module or of one that it imports for certain; empty where nothing does."""
    for depth in range(1, module.count(".") + 2):  # importing `a.b` runs `a` first
        name = ".".join(module.split(".")[:depth])
        file = None if name in seen else locate(name)
        seen.add(name)
        if file is not None and (reason := _stops_in(file, name, seen)):
            return reason
    return ""


def _stops_in(file: Path, module: str, seen: set[str]) -> str:
    try:
        text = file.read_bytes()
        tree = ast.parse(text)
    except SyntaxError as error:
        return f"SyntaxError: {error.msg} ({file.name}:{error.lineno})"
    except (OSError, ValueError, RecursionError, MemoryError) as error:  # the last two: nested too deeply
        return f"{type(error).__name__}: {error} ({file.name})"
    if b"__path__" in text or b"sys.modules" in text:
        raise _Unclear
    for node in tree.body:
        where = f"({file.name}:{node.lineno})"
        if isinstance(node, ast.Raise):
            return f"raises {ast.unparse(node.exc) if node.exc else 'an error'} {where}"
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in ENDS:
            return f"ends the process with {ast.unparse(node.value)} {where}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            package = module if file.name == "__init__.py" else module.rpartition(".")[0]
            for needed in _imported(node, package):
                top = needed.partition(".")[0]
                own = top == module.partition(".")[0]
                if not exists(needed if own else top):
                    return f"ModuleNotFoundError: No module named {needed if own else top!r} {where}"
                if own and (reason := _stops(needed, seen)):
                    return reason
        elif not (isinstance(node, HARMLESS) or _is_text(node) or _only_for_types(node)):
            raise _Unclear  # it may change what can be found
    return ""


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Modules that a statement imports for certain: what it takes out of one may be a module, or not."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif not node.level:
        yield node.module or ""
    else:
        above = package.split(".")[: package.count(".") + 2 - node.level]
        yield ".".join([*above, node.module] if node.module else above)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _only_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING") and not node.orelse


def _no_plugin(entry: Entry) -> str | None:
    """Whether the module has nothing of that name, or a class without a base class."""
    file, name = locate(entry.module), entry.value.partition(":")[2].strip().partition(".")[0]
    if file is None or not name:
        return None
    tree = ast.parse(file.read_bytes())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    if classes:
        plain = all("dataclass" in ast.unparse(one) for one in classes[-1].decorator_list)
        if plain and not classes[-1].bases:
            return f"{entry} is not a subclass of ganbench.{entry.kind.capitalize()}"
    elif not any(name in _bound(node) for node in ast.walk(tree)) and not _binds_more(tree):
        return f"{entry} cannot be imported: {entry.module} has no {name}"
    return None


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement gives to something."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]


def _binds_more(tree: ast.Module) -> bool:
    """Whether names may come from elsewhere: `from x import *`, `__getattr__`, `globals()`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.alias) and node.name == "*":
            return True
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            return True
        if isinstance(node, ast.Name) and node.id in ("globals", "setattr", "exec"):
            return True
    return False
