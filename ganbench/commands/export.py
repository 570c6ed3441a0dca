"""`ganbench export`: finished cells in one file, for another machine (see `ganbench.archive`). Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganbench.archive import pack
from ganbench.commands.arguments import find_suites
from ganbench.commands.screen import counted, document, note, safe, size
from ganbench.errors import ConfigError
from ganbench.store import Store


def export(store: Store, suites: Sequence[str], output: Path | None, generators: bool, as_json: bool) -> int:
    """The command; returns the exit code."""
    folders = find_suites(store, suites)
    output = output or Path(f"{folders[0].path.name if len(folders) == 1 else 'results'}.zip")
    if output.exists():
        raise ConfigError(f"--output {output}: is there already: name another file, or remove it")
    counts = pack(output, folders, generators)
    total = output.stat().st_size
    if as_json:
        cells = {name: {"exported": done, "unfinished": left} for name, (done, left) in counts.items()}
        document({"file": str(output), "bytes": total, "suites": cells})
        return 0
    for name, (done, left) in counts.items():
        more = f"; {left} without a result {'is' if left == 1 else 'are'} left out" if left else ""
        note(f"{name}: {counted(done, 'finished cell')}{more}")
    print(safe(f"{output} ({size(total)})"))
    return 0
