"""Strict YAML: every value knows its line and column, and nothing is guessed.

YAML 1.1 reads `no` as false, `2e-4` as text, `017` as 15 and `12:30` as 750, keeps the last of two equal keys and
expands aliases without bound. Here scalars follow the core rules of YAML 1.2, doubtful ones are errors with a hint, and
size, depth and expansion are bounded. PyYAML does the parsing only: events with marks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from ganbench.suite.marks import Mark, Node, Problem, node_of, printable
from ganbench.suite.scalars import clean, plain_scalar

__all__ = ["Mark", "Node", "Problem", "node_of", "parse", "printable", "read"]

MAX_BYTES = 250_000
MAX_WRITTEN = 10_000  # keys and values, as they stand in the file
MAX_NODES = 30_000  # values, after the expansion of aliases
MAX_DEPTH = 50
MAX_PROBLEMS = 100  # after which nobody reads on, and looking for more costs time
MAX_MERGES = 10  # of merge keys within each other


def read(path: Path, source: str | None = None) -> tuple[Node | None, list[Problem]]:
    """Parse a file. No node when its syntax is broken; otherwise a node even when there are problems."""
    start = Mark(source=source or str(path), line=1, column=1)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        place = Mark(source=start.source)
        return None, [Problem(mark=place, path="", message=f"cannot be read: {error.strerror or error}")]
    if len(raw) > MAX_BYTES:
        return None, [Problem(mark=start, path="", message=f"larger than {MAX_BYTES:,} bytes; a suite is a short file")]
    try:
        return parse(raw.decode("utf-8-sig"), start.source)
    except UnicodeDecodeError as error:
        return None, [Problem(mark=start, path="", message=f"not UTF-8 text (byte {error.start})")]


def parse(text: str, source: str, *, lines: bool = True, own: bool = False) -> tuple[Node | None, list[Problem]]:
    """Parse one document. `lines=False` is for text that is no file: marks name the source only. `own`: ganbench wrote
    it, so libyaml may read it, in a sixth of the time; it words errors otherwise, so what it refuses is read again."""
    if len(text) > MAX_BYTES:
        place = Mark(source=source)
        return None, [Problem(mark=place, path="", message=f"larger than {MAX_BYTES:,} bytes; a suite is a short file")]
    if own and yaml.__with_libyaml__ and "\t" not in text:  # it lets some pass
        with contextlib.suppress(ValueError, LookupError):  # text that is no UTF-8; a place counted in bytes
            node, problems = _Builder(source, lines, yaml.CBaseLoader).build(text)
            if not problems:
                return node, problems
    return _Builder(source, lines, yaml.BaseLoader).build(text)


class _Stop(Exception):
    """The document cannot be followed any further; its problem is recorded."""


class _Slip(Exception):
    """PyYAML stumbled over the text, in a way that it does not report as an error in the text."""


def _events(loader: Any) -> Iterator[Any]:
    while True:
        try:
            event = loader.get_event()
        except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:
            raise _Slip(str(error)) from error
        if event is None:
            return
        yield event


class _Builder:
    """Makes nodes of PyYAML's events, and collects what is wrong on the way."""

    def __init__(self, source: str, lines: bool, loader: Callable[[str], Any]) -> None:
        self.source, self.lines, self.loader = source, lines, loader
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.path: list[str] = []
        self.written = 0

    def build(self, text: str) -> tuple[Node | None, list[Problem]]:
        loader = None
        node = None
        try:
            loader = self.loader(text)
            node = self.document(_events(loader))
        except _Stop:
            return None, self.problems
        except yaml.MarkedYAMLError as error:
            self.syntax(error.problem or error.context or "not YAML", error.problem_mark or error.context_mark, text)
            return None, self.problems
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            place = self.at(before.count("\n"), len(before) - before.rfind("\n") - 1)
            self.add(place, f"the character U+{ord(str(text[error.position])):04X} is not allowed in YAML")
            return None, self.problems
        except _Slip as error:
            self.syntax(f"not YAML ({error})", loader.get_mark() if loader else None, text)
            return None, self.problems
        if node.size > MAX_NODES:
            self.add(node.mark, f"more than {MAX_NODES:,} values once aliases are expanded")
            return None, self.problems
        return node, self.problems

    # --- places and problems -----------------------------------------------------------------
    def at(self, line: int, column: int) -> Mark:
        return Mark(source=self.source, line=line + 1, column=column + 1) if self.lines else Mark(source=self.source)

    def mark(self, event: Any) -> Mark:
        return self.at(event.start_mark.line, event.start_mark.column)

    def add(self, mark: Mark, message: str) -> None:
        self.problems.append(Problem(mark=mark, path=".".join(self.path), message=message))

    def count(self, mark: Mark) -> None:
        if len(self.problems) > MAX_PROBLEMS:
            raise _Stop
        self.written += 1
        if self.written > MAX_WRITTEN:
            self.path = []
            self.add(mark, f"more than {MAX_WRITTEN:,} keys and values; a suite is a short file")
            raise _Stop

    def syntax(self, message: str, mark: Any, text: str) -> None:
        place = self.at(mark.line, mark.column) if mark else Mark(source=self.source)
        line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
        if "'\\t'" in message or line[: len(line) - len(line.lstrip())].count("\t"):
            message = "a tab is used for indentation; YAML wants spaces"
        self.path = []
        self.add(place, message)

    # --- nodes -------------------------------------------------------------------------------
    def document(self, events: Iterator[Any]) -> Node:
        node: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and node is not None:
                self.add(self.mark(event), "a suite is one YAML document; a second one starts here")
                raise _Stop
            if isinstance(event, yaml.NodeEvent):
                node = self.node(event, events, 1)
        if node is None:
            self.add(self.at(0, 0), "the file is empty")
            raise _Stop
        return node

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        mark = self.mark(event)
        self.count(mark)
        if depth > MAX_DEPTH:
            self.add(mark, f"nested more than {MAX_DEPTH} levels deep")
            raise _Stop
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, mark, depth)
        if event.tag is not None:
            self.add(mark, f"tags such as {event.tag!r} are not supported; write the plain value")
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event, mark)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(events, mark, depth)
        else:
            node = self.mapping(events, mark, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: Any, mark: Mark, depth: int) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            self.add(mark, f"no anchor &{event.anchor} stands before this alias")
            return Node(value=None, mark=mark)
        if depth + node.depth - 1 > MAX_DEPTH:
            self.add(mark, f"nested more than {MAX_DEPTH} levels deep")
            raise _Stop
        return node

    def grow(self, parent: Node, child: Node) -> None:
        parent.size += child.size
        parent.depth = max(parent.depth, child.depth + 1)
        if parent.size > MAX_NODES:
            self.add(parent.mark, f"more than {MAX_NODES:,} values once aliases are expanded")
            raise _Stop

    def sequence(self, events: Iterator[Any], mark: Mark, depth: int) -> Node:
        values: list[Node] = []
        node = Node(value=values, mark=mark)
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            self.path.append(str(len(values)))
            values.append(self.node(event, events, depth + 1))
            self.path.pop()
            self.grow(node, values[-1])
        return node

    def mapping(self, events: Iterator[Any], mark: Mark, depth: int) -> Node:
        values: dict[str, Node] = {}
        node = Node(value=values, mark=mark)
        merged: list[Node] = []
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            place = self.mark(event)
            self.count(place)
            key = self.key(event)
            self.path.append(key if key is not None else "?")
            child = self.node(next(events), events, depth + 1)
            if key == "<<" and not event.style:
                merged += self.merge_sources(child)
            elif key is not None and key in values:
                self.add(place, f"set twice: first in line {node.keys[key].line}, again in line {place.line}")
            elif key is not None:
                values[key], node.keys[key] = child, place
            self.path.pop()
            self.grow(node, child)
        self.merge(node, values, merged)
        return node

    def key(self, event: Any) -> str | None:
        """Keys are text, as written: `16`, `on` and `1e-3` are names of levels."""
        if isinstance(event, yaml.ScalarEvent) and event.tag is None and event.anchor is None:
            if len(event.value) <= 200 and clean(event.value):
                return str(event.value)
            self.add(self.mark(event), "a key is at most 200 characters long and has no control characters")
            return None
        self.add(self.mark(event), "a key must be plain text, without anchor, alias or tag")
        if not isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            raise _Stop
        return None

    # --- merge keys --------------------------------------------------------------------------
    def merge_sources(self, child: Node) -> list[Node]:
        sources = child.value if isinstance(child.value, list) else [child]
        if not all(isinstance(source.value, dict) for source in sources):
            self.add(child.mark, "`<<` merges mappings only")
            return []
        if len({id(source) for source in sources}) < len(sources):
            self.add(child.mark, "the same mapping is merged twice")
            return []
        return sources

    def merge(self, node: Node, values: dict[str, Node], sources: list[Node]) -> None:
        """Own keys win over merged ones, and earlier sources over later ones."""
        for source in sources:
            assert isinstance(source.value, dict)
            node.merges = max(node.merges, source.merges + 1)
            for key, child in source.value.items():
                if key not in values:
                    values[key], node.keys[key] = child, source.keys[key]
        if node.merges > MAX_MERGES:
            self.add(node.mark, f"more than {MAX_MERGES} merge keys within each other")
            raise _Stop

    # --- scalars -----------------------------------------------------------------------------
    def scalar(self, event: Any, mark: Mark) -> Node:
        text = event.value
        if not clean(text):
            self.add(mark, "text with control characters or half of a surrogate pair")
            return Node(value="?", mark=mark)
        value, hint = plain_scalar(text) if not event.style else (text, None)  # else quoted or block
        if hint:
            self.add(mark, hint)
        return Node(value=value, mark=mark, text=text, size=1 + len(text) // 100)  # long texts are aliased, too
