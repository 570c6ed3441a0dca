"""What plugin source files say, read without running them: first docstring lines, digests, comments beside fields."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from dataclasses import MISSING, Field, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One field of a plugin or of a configuration record, as `ganbench show` prints it."""

    name: str
    type: str  # as written in the source
    default: str  # its repr; empty where there is none
    comment: str


def locate(module: str) -> Path | None:
    """The source file of a module, found without importing it or its parent packages."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)  # of a top-level name: runs no code of it
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    for package in rest[:-1]:
        folders = [folder / package for folder in folders if (folder / package).is_dir()]
    for folder in folders:
        for file in (folder / rest[-1] / "__init__.py", folder / f"{rest[-1]}.py"):
            if file.is_file():
                return file
    return None


def first_line(value: str) -> str:
    """The first docstring line of "module:Class", or of its module; empty where the source cannot be read."""
    module, _, name = value.partition(":")
    file = locate(module.strip())
    return (_docstring_at(file, name.strip()) or _docstring(file, name.strip())).partition("\n")[0]


def _docstring_at(file: Path | None, name: str) -> str:
    """Of the class whose header begins a line, without parsing the rest of the file, which takes ten times as long;
    empty where it does not stand right below the header."""
    try:
        text = file.read_text("utf-8") if file else ""
        header = re.search(rf"^class {re.escape(name)}\b", text, re.MULTILINE)
        if header is None:
            return ""
        body = False
        for token in tokenize.generate_tokens(io.StringIO(text[header.start() :]).readline):
            if token.type == tokenize.STRING and body:
                return inspect.cleandoc(str(ast.literal_eval(token.string)))
            if body and token.type not in (tokenize.INDENT, tokenize.NL, tokenize.COMMENT):
                return ""
            body = body or token.type == tokenize.NEWLINE
    except (OSError, ValueError, SyntaxError, tokenize.TokenError):
        return ""
    return ""


def _docstring(file: Path | None, name: str) -> str:
    tree = _tree(file)
    for node in tree.body if tree else ():
        if isinstance(node, ast.ClassDef) and node.name == name and ast.get_docstring(node):
            return str(ast.get_docstring(node))
    return (ast.get_docstring(tree) or "") if tree else ""


_known: ContextVar[dict[Any, Any] | None] = ContextVar("_known", default=None)


@contextlib.contextmanager
def reading_once() -> Iterator[None]:
    """Within it, `once` does nothing twice: to compare thousands of cells with the sources as they are now."""
    token = _known.set({}) if _known.get() is None else None
    try:
        yield
    finally:
        if token is not None:
            _known.reset(token)


def once(key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives; within `reading_once`, what it gave first for that key."""
    known = _known.get()
    if known is None:
        return make()
    if key not in known:
        known[key] = make()
    return cast(T, known[key])


def digest(module: str) -> str:
    """sha256 of a module's source, with what it imports (see `_digest`). Empty when there is no source."""
    return once(("digest", module), lambda: _digest(module))


def _digest(module: str) -> str:
    """sha256 over `package_sources`. Empty when there is no source."""
    digested = hashlib.sha256()
    seen = {name: file.read_bytes().replace(b"\r\n", b"\n") for name, file in package_sources(module).items()}
    for name, text in sorted(seen.items()):
        digested.update(f"{name} {len(text)}\n".encode() + text)
    return digested.hexdigest() if seen else ""


def package_sources(module: str) -> dict[str, Path]:
    """The source files of a module and of all modules of its top-level package that it imports, directly or not.

    The package's `__init__` files count too, since importing the module runs them.
    """
    top = module.partition(".")[0]
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = None if name in found else locate(name)
        if file is None:
            continue
        found[name] = file
        parents = [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
        state = file.stat()
        imported = _imports(name, file, state.st_mtime_ns, state.st_size)
        waiting += [inner for inner in [*parents, *imported] if inner.partition(".")[0] == top]
    return found


def describe(record: type) -> list[Option]:
    """The fields of a dataclass with the comments that stand beside or above them, in the order of the source."""
    told = {}
    for base in reversed(record.__mro__):
        told.update(_fields_in_source(base))
    found = []
    for field in fields(record):
        if field.init:
            written, comment = told.get(field.name, (str(field.type), ""))
            found.append(Option(name=field.name, type=written, default=_default(field), comment=comment))
    return found


def _default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return repr(field.default)
    return repr(field.default_factory()) if field.default_factory is not MISSING else ""


@lru_cache(maxsize=4096)
def _imports(module: str, file: Path, modified: int, size: int) -> tuple[str, ...]:
    """Names of modules that a source file imports; some may be names inside modules, which `locate` does not find.

    Remembered until the file changes: a plan asks for the digests of all plugins of all cells.
    """
    return tuple(_imports_in(module, file))


def _imports_in(module: str, file: Path) -> Iterator[str]:
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    tree = _tree(file)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = node.module or ""
            if node.level:
                above = package.split(".")[: package.count(".") + 2 - node.level]
                home = ".".join([*above, home] if home else above)
            yield home
            yield from (f"{home}.{alias.name}" for alias in node.names)


def _tree(file: Path | None) -> ast.Module | None:
    try:
        return ast.parse(file.read_bytes()) if file else None
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):  # the last two: nested too deeply
        return None


def _fields_in_source(record: type) -> dict[str, tuple[str, str]]:
    """Name -> (annotation, comment) of the fields that a class itself declares; empty where it has no source."""
    file = getattr(sys.modules.get(record.__module__), "__file__", None)
    tree = _tree(Path(file)) if file and file.endswith(".py") else None
    if file is None or tree is None:
        return {}
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == record.__name__]
    if not classes:
        return {}
    notes = _comments(Path(file))
    told = {}
    for node in classes[0].body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            told[node.target.id] = (ast.unparse(node.annotation), _comment_of(node, notes))
    return told


def _comments(file: Path) -> dict[int, tuple[int, bool, str]]:
    """Line -> (column, whether it has the line to itself, text) of each comment."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            found[token.start[0]] = (token.start[1], alone, token.string.lstrip("#:").strip())
    return found


def _comment_of(node: ast.AnnAssign, notes: dict[int, tuple[int, bool, str]]) -> str:
    """Lines directly above at the field's own indent, then what stands beside it, then what continues further right."""
    first, last = node.lineno, node.end_lineno or node.lineno
    above: list[str] = []
    beside = [notes[line][2] for line in range(first, last + 1) if line in notes]
    line = first - 1
    while line in notes and notes[line][1] and notes[line][0] <= node.col_offset:
        above.insert(0, notes[line][2])
        line -= 1
    line = last + 1
    while line in notes and notes[line][1] and notes[line][0] > node.col_offset:
        beside.append(notes[line][2])
        line += 1
    return " ".join(above + beside)
