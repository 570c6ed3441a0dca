"""What came of trying plugins of others, kept between commands: `list` shows it, and `plan` need not try them again.

A cache, and never the truth: an outcome counts while the plugin's source and version are the same, and nothing has been
installed or removed since. It lies in the user's cache folder, or in GANBENCH_CACHE; deleting it costs one more trial.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganbench import registry
from ganbench.errors import GanbenchError
from ganbench.files import SCHEMA, write_atomic
from ganbench.registry import Entry
from ganbench.version import __version__

ENDS = (".dist-info", ".egg-info")  # what installers leave


def known(entries: Iterable[Entry]) -> dict[Entry, str | None]:
    """Those whose outcome is known, with why they cannot be used; None where they can."""
    held = _read()
    found: dict[Entry, str | None] = {}
    with registry.reading_once():
        for entry in entries if held else ():
            record = held.get(_key(entry))
            if isinstance(record, dict) and record.get("source") == registry.source_digest(entry):
                problem = record.get("problem")
                if problem is None or isinstance(problem, str):
                    found[entry] = problem
    return found


def remember(found: Mapping[Entry, str | None]) -> None:
    """Where that is possible: nobody asked for it."""
    if not found:
        return
    with registry.reading_once():
        new = {_key(entry): {"source": registry.source_digest(entry), "problem": found[entry]} for entry in found}
    value = {"schema": SCHEMA, "environment": _environment(), "plugins": _read() | new}
    with contextlib.suppress(GanbenchError, OSError, RuntimeError):
        _file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(_file(), json.dumps(value).encode())


def _read() -> dict[str, Any]:
    """By key; empty when there is none, or it does not hold any more."""
    try:
        value = json.loads(_file().read_bytes())
        return dict(value["plugins"]) if value["environment"] == _environment() else {}
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, RecursionError):
        return {}


def _file() -> Path:
    """One for each Python environment."""
    named = os.environ.get("GANBENCH_CACHE")
    folder = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganbench"
    return folder / "plugins" / f"{hashlib.sha256(sys.prefix.encode()).hexdigest()[:16]}.json"


def _key(entry: Entry) -> str:
    return json.dumps([entry.kind, entry.name, entry.value, entry.distribution, entry.version])


def _environment() -> str:
    """Digest of what is installed, and where: a plugin's import may depend on anything."""
    told = [__version__, sys.version]
    for folder in sys.path:
        with contextlib.suppress(OSError):
            names = sorted(entry.name for entry in os.scandir(folder or ".") if entry.name.endswith(ENDS))
            told += [folder, *names] if names else []
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
