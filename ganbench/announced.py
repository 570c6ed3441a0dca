"""What installed distributions announce; one whose files are damaged keeps no other from being found."""

from __future__ import annotations

import importlib.metadata as metadata
from collections.abc import Iterable, Sequence
from functools import cache


def points(groups: Sequence[str]) -> dict[str, list[metadata.EntryPoint]]:
    """The entry points of each group."""
    try:
        installed = metadata.entry_points()
        return {group: list(installed.select(group=group)) for group in groups}
    except Exception:  # whatever a damaged file makes of Python's parser: the others one by one
        readable, _ = one_by_one()
        return {group: [point for point in readable if point.group == group] for group in groups}


def one_by_one() -> tuple[list[metadata.EntryPoint], list[str]]:
    """The entry points of all distributions that can be read, and a sentence on each that cannot. Of two that have one
    name Python uses the first."""
    found: dict[str, Iterable[metadata.EntryPoint]] = {}
    unreadable = []
    for home in metadata.distributions():
        name, version = name_and_version(home)
        try:
            found.setdefault(name.lower().replace("_", "-"), home.entry_points)
        except Exception as error:  # the same
            said = " ".join(str(error).split())[:200]
            unreadable.append(f"the entry points of {name} {version} cannot be read: {type(error).__name__}: {said}")
    return [point for each in found.values() for point in each], unreadable


@cache
def name_and_version(home: metadata.Distribution | None) -> tuple[str, str]:
    """Of a distribution; Python reads all of its metadata for that."""
    try:
        told = home.metadata if home is not None else None
    except Exception:  # not text, or not there: it goes by what is known
        told = None
    named = {word: str(told[word]) for word in ("Name", "Version") if told is not None and word in told}
    return named.get("Name", "an unnamed distribution"), named.get("Version", "?")
