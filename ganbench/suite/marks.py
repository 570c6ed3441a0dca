"""Values of a suite that know where they stand, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ganbench.api.config import Json


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Where something stands. Line 0 means the source as a whole, such as `--set lr=1`."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in a suite."""

    mark: Mark
    path: str  # "axes.lr.high"; empty for the file as a whole
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (str(self.mark), printable(self.path), printable(self.message))))


@dataclass(kw_only=True, eq=False)
class Node:
    """A value with its place in the text. Mappings keep the places of their keys; all keys are text, as written."""

    value: bool | int | float | str | list[Node] | dict[str, Node] | None
    mark: Mark
    text: str = ""  # of a scalar, as written
    keys: dict[str, Mark] = field(default_factory=dict)
    size: int = 1  # nodes in it, aliases expanded
    depth: int = 1
    merges: int = 0  # merge keys within each other

    def plain(self) -> Json:
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def node_of(value: Json, mark: Mark) -> Node:
    """A plain value as a node, all of it at one place."""
    if isinstance(value, dict):
        nodes = {key: node_of(item, mark) for key, item in value.items()}
        return Node(value=nodes, mark=mark, keys=dict.fromkeys(value, mark))
    if isinstance(value, list):
        return Node(value=[node_of(item, mark) for item in value], mark=mark)
    return Node(value=value, mark=mark, text=value if isinstance(value, str) else str(value))


def printable(text: str) -> str:
    """Text for a terminal: control and direction characters are shown, not obeyed."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
