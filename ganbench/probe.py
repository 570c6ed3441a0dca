"""Which plugins can be imported: tried in a process of its own, since a module may also exit, crash or hang.

Built-in plugins are imported by tests; those of others are tried before this process imports them. What came of it is
kept (`ganbench.tried`): one that was found sound is not tried again before it is imported here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from ganbench import registry, tried
from ganbench.errors import GanbenchError
from ganbench.isolated import Died, Telling, records
from ganbench.registry import Entry

READY = 120.0  # seconds that the process may take to import torch
SECONDS = 20.0  # that importing one plugin may take after that

_tried: dict[Entry, str | None] = {}  # what was found in this process, each once
_untried: set[Entry] = set()  # those that could not be tried, which says nothing of them
_deadly: set[Entry] = set()  # those that ended or stopped the process that imported them


def problems(entries: Iterable[Entry], seconds: float = SECONDS) -> dict[Entry, str | None]:
    """Why each of them cannot be used; None where it can."""
    entries = list(entries)
    waiting = [entry for entry in entries if not entry.problem and entry not in _tried]
    new = list(waiting)
    while waiting:
        _try(waiting, seconds)
        waiting = [entry for entry in waiting if entry not in _tried]
    tried.remember({entry: _tried[entry] for entry in new if entry not in _untried})
    return {entry: entry.problem or _tried[entry] for entry in entries}


def refuse_deadly(entries: Iterable[Entry]) -> None:
    """Tries those of others that this process has not imported yet, and keeps it from importing what would end or stop
    it. Ordinary errors are left to the import itself. What ended a process once is tried again: it may be mended."""
    strange = [entry for entry in third_party(entries) if entry.module not in sys.modules]
    sound = {entry for entry, problem in tried.known(strange).items() if problem is None}
    for entry, problem in problems(entry for entry in strange if entry not in sound).items():
        if problem and entry in _deadly:
            registry.refuse(entry, problem)


def third_party(entries: Iterable[Entry]) -> list[Entry]:
    """Those that did not come with ganbench."""
    return [entry for entry in entries if entry.distribution != "ganbench"]


def _try(waiting: list[Entry], seconds: float) -> None:
    """One after the other, up to the first that ends or stops the process."""
    current: Entry | None = None
    told = json.dumps([[entry.kind, entry.name] for entry in waiting])
    try:
        for record in records("ganbench.probe", [told], first=READY, seconds=seconds):
            current = waiting[record["entry"]]
            if "problem" in record:
                _tried[current], current = record["problem"], None
    except Died as death:
        if current is None:  # torch or ganbench itself
            said = f"cannot be tried: the process {death}"
            _untried.update(entry for entry in waiting if entry not in _tried)
            _tried.update(dict.fromkeys(_untried, said))
            return
        for entry in waiting:  # the others of its module would die of the same
            if entry.module == current.module and entry not in _tried:
                _tried[entry] = f"{entry} {death} when it is imported"
                _deadly.add(entry)


def main(told: str) -> None:
    """The program: imports each plugin and says what is wrong with it."""
    tell = Telling.start()
    __import__("ganbench.phases")  # torch is not the plugin's fault
    for index, (kind, name) in enumerate(json.loads(told)):
        tell(entry=index)
        try:
            registry.plugin_class(kind, name)
        except GanbenchError as error:
            tell(entry=index, problem=str(error))
        else:
            tell(entry=index, problem=None)
    tell(done=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
